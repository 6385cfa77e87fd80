"""A million requests of hostile clients, to a release build.

They are the test of that name, which sends some thousands among the others. DEADLINE_HOSTILE_REQUESTS says how many.
"""

import os

os.environ.setdefault("DEADLINE_HOSTILE_REQUESTS", "1000000")
test = "observe::hostile::whatever_clients_write_the_label_set_is_bounded_and_memory_flat"
command = ["cargo", "test", "--release", "-p", "deadline-tests", "--test", "all", "--"]
# Its lines are whole where it is not the only thread that prints.
os.execvp("cargo", [*command, "--exact", test, "--nocapture", "--test-threads=2"])

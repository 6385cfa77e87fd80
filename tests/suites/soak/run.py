"""Half an hour of bad days: clients that leave, upstreams that die and stand still, reloads; and what is left of it.

The soak is the test of that name, which takes some seconds among the others: here it runs for longer, as a release
build. `DEADLINE_SOAK_SECONDS` says for how long.
"""

import os

TEST = "proxy::bad_days::soak::a_long_life_leaves_nothing_behind"

os.environ.setdefault("DEADLINE_SOAK_SECONDS", "1800")
command = ["cargo", "test", "--release", "-p", "deadline-tests", "--test", "all", "--"]
# Its lines are whole where it is not the only thread that prints.
os.execvp("cargo", [*command, "--exact", TEST, "--nocapture", "--test-threads=2"])

"""A soak for half an hour: `run.py TEST VARIABLE`.

The soak is the test of that name, which takes some seconds among the others: here it runs for longer, as a release
build. The variable says for how many seconds.
"""

import os
import sys

test, seconds = sys.argv[1:]
os.environ.setdefault(seconds, "1800")
command = ["cargo", "test", "--release", "-p", "deadline-tests", "--test", "all", "--"]
# Its lines are whole where it is not the only thread that prints.
os.execvp("cargo", [*command, "--exact", test, "--nocapture", "--test-threads=2"])

"""What the scripts of all suites share.

Covers the program under test as a process, lines for the table, and free ports. Knows no suite.

The environment says which program: DEADLINE_PROXY is its path, DEADLINE_PROXY_MORE what it is started with beside
its addresses. `cargo xtask suites` sets both.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time

ANY = "127.0.0.1:0"


class Checks:
    """Prints a line of the table for each check: the outcome, the name and the figures, with tabs between."""

    def __init__(self):
        self.failed = 0

    def check(self, name, passed, figures=""):
        self.failed += not passed
        self._print("ok" if passed else "FAILED", name, figures)

    def skip(self, name, why):
        self._print("skipped", name, why)

    @contextlib.contextmanager
    def no_error(self, name):
        """What raises within is a failure of this check, and ends no other."""
        try:
            yield
        except Exception as error:  # Of any library that is tested here.
            self.check(name, False, f"{type(error).__name__}: {error}")

    def exit(self):
        sys.exit(1 if self.failed else 0)

    def _print(self, *cells):
        print("\t".join(" ".join(str(cell).split()) for cell in cells), flush=True)


class Process:
    """A program that is ended with the block that it was started for."""

    def __init__(self, *command, **options):
        self.process = subprocess.Popen([str(word) for word in command], **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            # A proxy that drains, for one.
            self.process.kill()
            self.process.wait()


class Proxy(Process):
    """The program under test, in front of one upstream."""

    def __init__(self, upstream, *more):
        fixed = ["run", "--upstream", f"http://{upstream}", "--listen", ANY, "--admin", ANY]
        fixed += os.environ.get("DEADLINE_PROXY_MORE", "").split()
        super().__init__(os.environ["DEADLINE_PROXY"], *fixed, *more, stdout=subprocess.PIPE, text=True)
        announced = self.process.stdout.readline().split()
        if len(announced) < 2 or not announced[1].startswith("http://"):
            raise RuntimeError(f"the proxy does not say where it listens: {announced}")
        self.address = announced[1].removeprefix("http://")
        self.port = int(self.address.rpartition(":")[2])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=20):
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)

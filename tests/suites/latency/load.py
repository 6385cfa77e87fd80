"""One run of h2load, and what each of its requests took."""

import re
import subprocess

# Asked of everybody: whoever knows what it means keeps to it, and the others pass it on.
FIELD = "x-request-timeout: 10s"
WARM_UP, SECONDS = 1, 2


class Load:
    def __init__(self, name, connections, each_second=None):
        self.name, self.connections, self.each_second = name, connections, each_second

    def run(self, port, log):
        """What each request took, in microseconds, shortest first. Raises where one was not answered with 2xx."""
        log.unlink(missing_ok=True)
        command = ["h2load", "--h1", f"-c{self.connections}", f"-D{SECONDS}", f"--warm-up-time={WARM_UP}"]
        command += [f"--rps={self.each_second}"] if self.each_second else []
        command += ["-H", FIELD, f"--log-file={log}", f"http://127.0.0.1:{port}/"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        if not re.search(r" 0 failed, 0 errored, 0 timeout", said):
            raise RuntimeError(f"not every request was answered: {said}")
        rows = [line.split("\t") for line in log.read_text().splitlines()]
        if not rows or any(not row[1].startswith("2") for row in rows):
            raise RuntimeError(f"not every answer is a good one: {said}")
        return sorted(int(row[2]) for row in rows)


# The last one leaves everybody time: what is seen there is waiting, and not how much fits on a core.
LOADS = [
    Load("1 connection", 1),
    Load("64 connections", 64),
    Load("64 connections, 50 requests a second each", 64, 50),
]


def quantile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]

"""How much of the machine a request takes."""

import contextlib
import os
import pathlib
import re
import statistics
import subprocess

# Asked of a program under callgrind: what it does once is in both.
FEW, MANY, TIMES = 500, 2_500, 3
# Asked in each round of a program alone. It is long enough for a clock of 10 ms.
REQUESTS, ROUNDS, CONNECTIONS = 20_000, 10, 16
TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")

HOW = (
    f"Instructions: the middle of {TIMES} runs of {MANY} requests less {FEW}, least to most in parentheses. CPU time: the "
    f"middle of {ROUNDS} rounds of {REQUESTS} requests, over {CONNECTIONS} connections; what is added is the middle of the "
    "differences within a round, with the least and the most of the half that is nearest to it in parentheses"
)


def load(port, requests, connections):
    """Asks so often. Raises where one was not answered with 2xx."""
    command = ["h2load", "--h1", f"-n{requests}", f"-c{connections}", "-H", "x-request-timeout: 5s"]
    said = subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=600).stdout
    good = f"{requests} succeeded, 0 failed, 0 errored, 0 timeout"
    if good not in said or not re.search(rf"status codes: {requests} 2xx", said):
        raise RuntimeError(f"not every request was answered: {said}")


def counted(variant, requests):
    """All instructions of a run."""
    out = variant.folder / "callgrind.out"
    out.unlink(missing_ok=True)
    with variant.running("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}") as process:
        load(variant.port, requests, 1)
        process.terminate()
        process.wait(120)
    return int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)[1])


def instructions(variant):
    """Of one request, in each of a few runs."""
    found = [(counted(variant, MANY) - counted(variant, FEW)) / (MANY - FEW) for _ in range(TIMES)]
    print(f"{variant.name}: {found}", flush=True)
    return found


def cpu(process):
    """What it has used so far, in microseconds."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def cpu_time(variants, cores):
    """Of one request, by name, in each round."""
    found = {variant.name: [] for variant in variants}
    with contextlib.ExitStack() as stack:
        with cores.of(cores.proxy):
            running = [(variant, stack.enter_context(variant.running())) for variant in variants]
        for number in range(-1, ROUNDS):
            # Each round begins with another one.
            for at in range(len(running)):
                variant, process = running[(at + number) % len(running)]
                before = cpu(process)
                with cores.of(cores.rest):
                    load(variant.port, REQUESTS, CONNECTIONS)
                if number >= 0:
                    found[variant.name].append((cpu(process) - before) / REQUESTS)
            print(f"round {number + 1} of {ROUNDS}", flush=True)
    return found


def middle(found):
    return statistics.median(found)


def told(found, off, unit, is_off):
    """The figure, and what it is more than that of off."""
    digits = 0 if not unit else 1
    itself = f"{middle(found):,.{digits}f}{unit}"
    if is_off:
        return itself
    more = sorted(one - other for one, other in zip(found, off))
    # Whatever else the machine does is in single rounds.
    quarter = len(more) // 4
    kept = more[quarter : len(more) - quarter]
    return f"{itself}: {middle(more):+,.{digits}f} ({kept[0]:+,.{digits}f} to {kept[-1]:+,.{digits}f})"

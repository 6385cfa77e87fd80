"""What a proxy adds to the time of a request: the program beside nginx and HAProxy, in one run.

Covers a small GET over HTTP/1.1 on kept connections, 1 and 64 at a time: the median and the 99th percentile, less those
of the same load on the upstream itself. Everybody is measured in each round, one after the other, so that whatever else
the machine does concerns all of them; of the rounds the median counts. Does not cover bodies, TLS or HTTP/2.

The table is written to `latency.md` in the folder that is named. It is worth what the machine had to spare: its load
stands below it.
"""

import os
import pathlib
import platform
import statistics
import sys

import proxies
from harness import Checks
from load import LOADS, SECONDS, quantile

ROUNDS = 8
BODY = "x" * 128
# The most that the program may add: so many times what the slower of the peers adds, and some microseconds. Far above
# what is seen, for a busy machine; a wait that nobody meant to have (a delayed segment, a timer) is more.
TIMES, MORE = 3, 1_000

checks = Checks()


def rounds(ports, cores, folder):
    """What was seen of each by each load: pairs of quantiles, one for each round, and how many requests."""
    seen = {}
    for number in range(ROUNDS):
        for load in LOADS:
            for name, port in ports.items():
                with cores.of(cores.rest):
                    took = load.run(port, folder / "h2load.tsv")
                found = seen.setdefault((load.name, name), [])
                found.append((quantile(took, 0.5), quantile(took, 0.99), len(took)))
        print(f"round {number + 1} of {ROUNDS}", flush=True)
    return seen


def added(seen, load, name):
    """Medians over the rounds, in microseconds, and requests a second."""
    pairs = list(zip(seen[load, name], seen[load, "the upstream itself"]))
    p50, p99 = (statistics.median(mine[at] - direct[at] for mine, direct in pairs) for at in (0, 1))
    return p50, p99, statistics.median(count for _, _, count in seen[load, name]) / SECONDS


def table(seen, names):
    lines = ["| load | | added p50 | added p99 | requests a second |", "|---|---|---|---|---|"]
    for load in LOADS:
        direct = seen[load.name, "the upstream itself"]
        p50, p99 = (statistics.median(each[at] for each in direct) for at in (0, 1))
        rate = statistics.median(each[2] for each in direct) / SECONDS
        lines.append(f"| {load.name} | the upstream itself | ({p50:.0f} µs) | ({p99:.0f} µs) | {rate:.0f} |")
        for name in names:
            p50, p99, rate = added(seen, load.name, name)
            lines.append(f"| | {name} | {p50:.0f} µs | {p99:.0f} µs | {rate:.0f} |")
    return "\n".join(lines) + "\n"


def judge(seen, names):
    peers = [name for name in names if name != "deadline-proxy"]
    for load in LOADS:
        p50, p99, rate = added(seen, load.name, "deadline-proxy")
        most = [max((added(seen, load.name, name)[at] for name in peers), default=0) * TIMES + MORE for at in (0, 1)]
        figures = [f"deadline-proxy {p50:.0f}/{p99:.0f} µs, {rate:.0f} a second"]
        for name in peers:
            other = added(seen, load.name, name)
            figures.append(f"{name} {other[0]:.0f}/{other[1]:.0f} µs, {other[2]:.0f} a second")
        checks.check(f"added p50/p99, {load.name}", p50 <= most[0] and p99 <= most[1], "; ".join(figures))


def main(folder):
    cores, ports, started = proxies.Cores(), {}, []
    try:
        with cores.of(cores.rest):
            process, port = proxies.upstream(folder, BODY)
        started.append(process)
        ports["the upstream itself"] = port
        with cores.of(cores.proxy):
            process, ports["deadline-proxy"] = proxies.ours(f"127.0.0.1:{port}")
            started.append(process)
            for name in proxies.PEERS:
                found = proxies.peer(name, folder, f"127.0.0.1:{port}")
                if found is None:
                    checks.skip(name, "it is not on this machine")
                    continue
                started.append(found[0])
                ports[name] = found[1]
        seen = rounds(ports, cores, folder)
        names = list(ports)[1:]
        loaded = f"load of the machine {os.getloadavg()[0]:.1f} at the end, {len(cores.all)} cores, {platform.machine()}"
        written = f"{table(seen, names)}\n{ROUNDS} rounds of {SECONDS} s each; {loaded}.\n"
        (folder / "latency.md").write_text(written)
        print(written)
        judge(seen, names)
    finally:
        for process in reversed(started):
            process.__exit__()
    checks.exit()


main(pathlib.Path(sys.argv[1]).resolve())

"""What it costs to tell of requests: the program with everything switched on beside the same with everything off.

Covers a small GET over HTTP/1.1 on kept connections. Two figures of each variant: instructions for a request, as
callgrind counts them, as the difference between a short and a long run; and CPU time for a request, user and system, of
the whole process, in rounds in which all variants take their turn, so that whatever else the machine does concerns all of
them. Does not cover what waits: see the suite `latency`.

DEADLINE_PROXY_BEFORE may name an older build: it is a variant of its own, with everything off, which says whether off
costs anything.

The table is written to `overhead.md` in the folder that is named. There is none where a request was not answered.
"""

import os
import pathlib
import platform
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1] / "latency"))

import figures
import proxies
from harness import Checks
from sink import Sink
from variants import BEFORE, OFF, Variants

BODY = "x" * 128
# Far above what is seen: what is more is a fault, and no busy machine. Instructions, everything beside nothing.
MOST_TIMES = 2.0
# Off beside an older build. A build differs from another by so much, whatever was changed.
SAME = 0.03

checks = Checks()


def lines(variants, counted, timed):
    rows = ["| what is told | instructions a request | CPU time a request |", "|---|---|---|"]
    for variant in variants:
        name = variant.name
        instructions = figures.told(counted[name], counted[OFF], "", name == OFF)
        micros = figures.told(timed[name], timed[OFF], " µs", name == OFF)
        rows.append(f"| {name} | {instructions} | {micros} |")
    return "\n".join(rows) + "\n"


def judge(variants, counted):
    for name in [variant.name for variant in variants if variant.name != OFF]:
        times = figures.middle(counted[name]) / figures.middle(counted[OFF])
        if name == BEFORE:
            checks.check(f"off costs nothing beside {name}", 1 / times <= 1 + SAME, f"{1 / times:.3f} times")
        else:
            checks.check(f"instructions, {name}", times <= MOST_TIMES, f"{times:.2f} times those of off")


def main(folder):
    cores, sink = proxies.Cores(), Sink()
    with cores.of(cores.rest):
        upstream, port = proxies.upstream(folder, BODY)
    try:
        variants = Variants(folder, f"127.0.0.1:{port}", sink.port).all(checks)
        counted = {variant.name: figures.instructions(variant) for variant in variants}
        timed = figures.cpu_time(variants, cores)
        checks.check("what is traced has arrived", sink.bytes > 0 or "traces" not in counted, f"{sink.bytes} bytes")
        machine = f"{len(cores.all)} cores, {platform.machine()}, load of the machine {os.getloadavg()[0]:.1f} at the end"
        written = f"{lines(variants, counted, timed)}\n{figures.HOW}; {machine}.\n"
        (folder / "overhead.md").write_text(written)
        print(written)
        judge(variants, counted)
    finally:
        upstream.__exit__()
    checks.exit()


main(pathlib.Path(sys.argv[1]).resolve())

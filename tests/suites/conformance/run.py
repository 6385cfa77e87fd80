"""The conformance table: this proxy beside nginx, HAProxy and Caddy, on the same scripted peers.

Covers running each scene several times against each proxy, and writing what was seen as a paper. Judges by what each
scene expects and why. Fails where a cell of ours is not as expected and no reason stands beside it, and where a reason
stands and the cell is as expected.
"""

import contextlib
import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

import places
from harness import Checks, free_port
from paper import Column, written
from proxies import PROXIES
from scripted.program import serves
from scripted.upstream import Upstream
from topics import TOPICS
from two import Two

RUNS = 3

checks = Checks()


def started(running, folder):
    """A column for each program. One that cannot be had ends all: a table with a hole in it is not written."""
    upstream, two = Upstream(), Two()
    fixed = {"two": two.address, **places.addresses(running)}
    for proxy in PROXIES:
        if not proxy.program():
            raise LookupError(f"{proxy.name} is not on this machine")
        process, scene = proxy.start(folder / proxy.name, upstream, {**fixed, "admin": free_port()})
        running.enter_context(process)
        if not serves(scene):
            raise LookupError(f"{proxy.name} does not serve with what it is told here")
        yield Column(proxy.name + proxy.version(), scene._replace(two=two), {})


def look(column, topics):
    """All scenes in turn, and then again: so the runs of one scene are far from each other."""
    for _ in range(RUNS):
        for topic in topics:
            for case in topic.CASES:
                column.seen.setdefault((topic, case.name), []).append(column.scene.cell(case))


def judge(topic, case, ours):
    """Of ours. A reason that nothing needs any more is wrong too."""
    name = f"{topic.TITLE}: {case.name}"
    is_right, cell = ours.is_as_wanted(topic, case), ours.cell(topic, case)
    if is_right and case.reason:
        checks.check(name, False, f"{cell}: as expected, and there is a reason why it is not")
    elif is_right:
        checks.check(name, True, cell)
    else:
        checks.check(name, bool(case.reason), f"{cell}, not {case.wanted}. {case.reason}")


def main(folder, paper):
    # Packages of Python's put programs there.
    os.environ["PATH"] += f":{folder / 'bin'}"
    with contextlib.ExitStack() as running:
        try:
            columns = list(started(running, folder))
        except LookupError as error:
            checks.skip("the conformance table", error)
            checks.exit()
        # Each at its own pace, and what waits longest beside the rest: they spend their time waiting.
        lanes = [(column, lane) for column in columns for lane in (TOPICS[:-1], TOPICS[-1:])]
        with ThreadPoolExecutor(len(lanes)) as pool:
            list(pool.map(look, *zip(*lanes)))
    for topic in TOPICS:
        for case in topic.CASES:
            judge(topic, case, columns[0])
    paper.write_text(written(TOPICS, columns, RUNS))
    checks.exit()


main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]))

"""The table as a paper of Markdown."""

import collections
import datetime
from typing import NamedTuple

from case import DEADLINE, SOON, WATCHED
from scripted.scene import Scene

HEAD = """<!-- Made by `cargo xtask suites conformance` of real runs: change tests/suites/conformance, not this. -->

# Conformance

What this proxy does at the edges of HTTP, beside nginx, HAProxy and Caddy. Each cell is what was seen: a client and an
upstream of raw sockets stood on both sides of each program, and did what the scene says. To make it again:

```sh
cargo xtask suites conformance
```

Seen on {date}: {programs}.

Each scene was run {runs} times; where the runs were not alike, the cell says "not always" and tells all of them.
Programs have their defaults, but for where a tunnel may be, HTTP/2 without TLS, and an upstream of its own for some
scenes; what each is told stands in `tests/suites/conformance/proxies.py`.

- ✓ is as expected, ✗ is not. What is expected stands beside the source that says so: an RFC, or a rule of ours, whose
  words are in [ARCHITECTURE.md](../ARCHITECTURE.md#the-rules). What only a rule of ours asks for is not asked of the
  others, so their cells have no mark.
- What stands in brackets explains, and is not judged.
- *At once* is within {soon} s, *at the deadline* not before it and within half a second after it; *not* left means not
  within {watched} s. A deadline is {deadline} s, asked for by `X-Request-Timeout: 300ms`. The others know no such
  field, and have limits of their own, which are longer.
- A number in brackets at a cell of ours that is not as expected leads to the reason below the table.
"""


class Column(NamedTuple):
    """A program, and what it did: a list of cells for each scene of a topic, one a run."""

    name: str
    scene: Scene
    seen: dict

    def cell(self, topic, case):
        """What all runs saw, or each of what they saw."""
        cells = collections.Counter(self.seen[topic, case.name])
        if len(cells) == 1:
            return next(iter(cells))
        if len(alike := {cell.partition(" (")[0] for cell in cells}) == 1:
            return next(iter(alike))
        return "not always: " + ", ".join(f"{cell} ({times}×)" for cell, times in sorted(cells.items()))

    def is_as_wanted(self, topic, case):
        return all(case.is_as_wanted(cell) for cell in self.seen[topic, case.name])


def written(topics, columns, runs):
    return HEAD.format(
        date=datetime.date.today().isoformat(),
        programs=", ".join(column.name for column in columns),
        runs=runs,
        soon=SOON,
        watched=WATCHED,
        deadline=DEADLINE,
    ) + "".join(section(topic, columns) for topic in topics)


def section(topic, columns):
    names = [column.name.split()[0] for column in columns]
    lines = [line("scene", "expected", *names), line(*["---"] * (2 + len(columns)))]
    reasons = []
    for case in topic.CASES:
        own, *others = columns
        cells = [judged(topic, case, own, reasons), *(other(topic, case, each) for each in others)]
        lines.append(line(case.name, expected(case), *cells))
    notes = "".join(f"\n{at}. {reason}" for at, reason in enumerate(reasons, 1))
    return (
        f"\n## {topic.TITLE}\n\n{topic.__doc__.strip()}\n\n" + "\n".join(lines) + "\n" + (f"{notes}\n" if notes else "")
    )


def expected(case):
    return f"{case.wanted} ({case.source})"


def judged(topic, case, own, reasons):
    """Ours, with a number where a reason stands below."""
    if own.is_as_wanted(topic, case):
        return f"✓ {own.cell(topic, case)}"
    note = ""
    if case.reason:
        if case.reason not in reasons:
            reasons.append(case.reason)
        note = f" [{reasons.index(case.reason) + 1}]"
    return f"✗ {own.cell(topic, case)}{note}"


def other(topic, case, column):
    mark = ("✓ " if column.is_as_wanted(topic, case) else "✗ ") if case.is_for_all() else ""
    return mark + column.cell(topic, case)


def line(*cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

"""A scene of the table, and the words that its cells are made of.

Words are coarse on purpose: what differs from run to run by a few milliseconds is told by one word. What stands in
brackets explains, and is not judged.
"""

import time
from typing import Callable, NamedTuple

from scripted.scene import asked
from scripted.wire import Ended

# What a client asks for where a deadline matters, in seconds, and for how long is looked.
DEADLINE, WATCHED = 0.3, 1.5
# What is as good as at once, on a machine that is busy.
SOON = 0.25
TIMEOUT = "X-Request-Timeout: 300ms\r\n"
LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Case(NamedTuple):
    # A literal, so that the table can be held against the scripts.
    name: str
    look: Callable
    # Any of these, with ` or ` between.
    wanted: str
    # Where that is written. What only a rule of ours (R1, R2, …) wants is not asked of others.
    source: str
    # Why ours is not so, where it is not.
    reason: str = ""

    def is_for_all(self):
        return "RFC" in self.source

    def is_as_wanted(self, cell):
        return without_brackets(cell) in self.wanted.split(" or ")


def without_brackets(cell):
    return cell.partition(" (")[0]


def passed(head, names):
    """Which of these fields a head has."""
    there = [name for name in names if head.has(name.lower())]
    if len(there) == len(names):
        return "passed on"
    return f"passed on: {', '.join(there)}" if there else "removed"


def reaches(fields, *names, **more):
    """Whether these fields of a request reach the upstream."""

    def look(scene):
        head, refused = asked(scene, fields, **more)
        return refused or passed(head, names)

    return look


def comes_back(fields, *names):
    """Whether these fields of an answer reach the client."""

    def look(scene):
        client, _ = scene.ask(lambda wire, _: wire.send(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"))
        with client:
            head = client.head()
            return passed(head, names) if head.status == 200 else str(head.status)

    return look


def end_of(client, head):
    """How the body of this answer ends."""
    try:
        client.body(head)
        return "clean end"
    except (Ended, ValueError):
        return "aborted"
    except TimeoutError:
        return "left open"


def final(client):
    """The head behind those of interim answers."""
    while (head := client.head()).status < 200:
        pass
    return head


def status_of(client):
    """The status of an answer, or what is there in place of one."""
    try:
        return str(final(client).status)
    except Ended:
        return "closed without an answer"
    except TimeoutError:
        return "no answer"


def soon(passed):
    return "at once" if passed < SOON else "within 1 s" if passed < 1 else f"within {WATCHED} s"


def at_deadline(since):
    """Not before it, and soon after it."""
    passed = time.monotonic() - since
    if passed < DEADLINE - 0.01:
        return "before the deadline"
    return "at the deadline" if passed < DEADLINE + 0.5 else "after the deadline"

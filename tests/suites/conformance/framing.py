"""Requests that two parties could read differently, and answers that are not what they say."""

import time

from case import CHUNKED, OK, Case, comes_back, end_of
from peers.framing import both, coding, control, hosts, lengths
from scripted.scene import asked
from scripted.wire import Wire

TITLE = "Framing"

CHUNKS = "2\r\nhi\r\n0\r\n\r\n"


def refused_or_passed(fields, body):
    def look(scene):
        head, refused = asked(scene, fields, request="POST", body=body)
        return refused or "passed on" if head else refused

    return look


def blank_before_the_colon(scene):
    head, refused = asked(scene, "X-Own : 1\r\n")
    return refused or ("passed on" if any("x-own" in name for name, _ in head.fields) else "removed")


def folded(scene):
    head, refused = asked(scene, "X-Own: 1\r\n X-Two: 2\r\n")
    return refused or (
        "unfolded" if not head.has("x-two") and "X-Two: 2" in "".join(head.values("x-own")) else "passed on"
    )


def answered(*says):
    """What the client gets of an answer of these bytes."""

    def play(wire, _):
        for part in says:
            wire.send(part)
            # So that the proxy has it before the next.
            time.sleep(0.1)

    def look(scene):
        client, _ = scene.ask(play)
        with client:
            head = client.head()
            return str(head.status) if head.status != 200 else end_of(client, head)

    return look


def poisoned(scene):
    """Bytes behind the end of an answer, which are no answer of anybody's."""

    def play(wire, _):
        wire.send(OK + "HTTP/1.1 200 OK\r\nX-Poison: 1\r\nContent-Length: 2\r\n\r\nno")

    def second(wire, _):
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")

    client, _ = scene.ask(play)
    with client:
        client.body(client.head())
        # So that the proxy has put its connection away.
        time.sleep(0.1)
        scene.ask(second, client=client)
        return "taken for the next answer" if client.head().has("x-poison") else "dropped"


def two_at_once(scene):
    """Requests in one segment, answered in their order."""
    paths = [scene.upstream.script(say(word), "").path for word in ("one", "two")]
    with Wire.to(scene.address) as client:
        client.send("".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths))
        said = [client.body(client.head())[0] for _ in paths]
        return "in order" if said == [b"one", b"two"] else "otherwise"


def say(word):
    return lambda wire, _: wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(word)}\r\n\r\n{word}")


CASES = [
    Case("`Content-Length` beside `chunked`", both, "400 or passed with transfer-encoding", "RFC 9112 §6.3"),
    Case("Two different `Content-Length`", lengths, "400", "RFC 9112 §6.3"),
    Case("`Transfer-Encoding: gzip, chunked`", coding, "501 or 400", "R35"),
    Case(
        "`Transfer-Encoding: chunked, gzip`",
        refused_or_passed("Transfer-Encoding: chunked, gzip\r\n", CHUNKS),
        "400 or 501",
        "RFC 9112 §6.3",
    ),
    Case(
        "A chunk of the size `+2`",
        refused_or_passed("Transfer-Encoding: chunked\r\n", "+2\r\nhi\r\n0\r\n\r\n"),
        "400",
        "RFC 9112 §7.1",
    ),
    Case("Two `Host`", hosts, "400", "RFC 9112 §3.2"),
    Case("A blank before the colon", blank_before_the_colon, "400", "RFC 9112 §5.1"),
    Case("A line that is folded", folded, "400 or unfolded", "RFC 9112 §5.2"),
    Case("A control character in a value", control, "400", "RFC 9110 §5.5"),
    Case("Two requests in one segment: answered", two_at_once, "in order", "RFC 9112 §9.3.2"),
    Case(
        "An answer with two different `Content-Length`",
        comes_back("Content-Length: 2\r\n", "Content-Length"),
        "502",
        "RFC 9112 §6.3",
    ),
    Case(
        "An answer with a chunk of no size",
        answered(CHUNKED, "hi\r\n0\r\n\r\n"),
        "aborted or 502",
        "RFC 9112 §7.1",
    ),
    Case("An answer that is no HTTP", answered("hello\r\n\r\n"), "502", "R33"),
    Case("Bytes behind an answer's end are", poisoned, "dropped", "RFC 9112 §9.2"),
]

"""Answers before the answer: 100, 103, and who is let wait for them."""

import time

from case import OK, Case
from scripted.scene import fine
from scripted.wire import Wire
from two import Client

TITLE = "Interim answers"

HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
# What our server cannot do.
NONE = "hyper's server cannot send an interim answer: what an upstream sends is read and dropped."
AT_ONCE = (
    "hyper's server says 100 as soon as the body is asked for, which is when the request is sent on: the upstream is"
    " not waited for. What it answers in place of 100 is the client's answer all the same."
)


def statuses(client):
    """All of them, to the last."""
    seen = [client.head().status]
    while seen[-1] < 200:
        seen.append(client.head().status)
    return seen


def told(*interim):
    """What a client sees of these."""

    def play(wire, _):
        for each in interim:
            wire.send(each)
            # So that none is overtaken.
            time.sleep(0.05)
        wire.send(OK)

    def look(scene):
        client, _ = scene.ask(play)
        with client:
            seen = statuses(client)
            if len(seen) == len(interim) + 1:
                return "passed on"
            return "dropped" if seen == [200] else ", ".join(map(str, seen))

    return look


def to_old_client(scene):
    """One of HTTP/1.0 knows no such answers."""
    exchange = scene.upstream.script(lambda wire, _: wire.send(HINTS + OK), "")
    with Wire.to(scene.address) as client:
        client.send(f"GET {exchange.path} HTTP/1.0\r\nHost: a\r\n\r\n")
        return "dropped" if client.head().status == 200 else "passed on"


def over_http2(scene):
    exchange = scene.upstream.script(lambda wire, _: wire.send(HINTS + OK), "")
    with Client(scene.http2) as client:
        answer = client.answer(client.ask(exchange.path))
        return "passed on" if answer.interim else "dropped" if answer.status == "200" else answer.status


EXPECTS = "Expect: 100-continue\r\nContent-Length: 2\r\n"


def expectation(scene):
    """Whether the upstream hears of it."""

    def play(wire, exchange):
        if exchange.head.has("expect"):
            wire.send("HTTP/1.1 100 Continue\r\n\r\n")
        fine(wire, exchange)

    client, exchange = scene.ask(play, EXPECTS, request="POST")
    with client:
        if client.head().status == 100:
            client.send("hi")
            client.head()
        return "passed on" if exchange.head and exchange.head.has("expect") else "removed"


def waits(scene):
    """A client that sends nothing before it is told to."""

    def play(wire, exchange):
        if exchange.head.has("expect"):
            wire.send("HTTP/1.1 100 Continue\r\n\r\n")
        fine(wire, exchange)

    client, _ = scene.ask(play, EXPECTS, request="POST")
    with client:
        first = client.head().status
        if first != 100:
            return str(first)
        client.send("hi")
        return f"100, then {client.head().status}"


def refused(scene):
    """An upstream that will not have the body."""

    def play(wire, _):
        wire.send("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        wire.is_left(0.5)
        wire.close()

    client, _ = scene.ask(play, EXPECTS, request="POST")
    with client:
        # Where a proxy says 100 by itself.
        first = client.head().status
        if first != 100:
            return str(first)
        client.send("hi")
        return f"100, then {client.head().status}"


def early(scene):
    """An answer before the request has ended, and the connection is closed behind it."""

    def play(wire, _):
        wire.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        wire.is_left(0.5)
        wire.close()

    client, _ = scene.ask(play, "Content-Length: 100000\r\n", request="POST", body="x" * 1000)
    with client:
        return str(client.head().status)


FORWARDS = "RFC 9110 §15.2"

CASES = [
    Case("103 from the upstream", told(HINTS), "passed on", FORWARDS, NONE),
    Case("103 twice", told(HINTS, HINTS), "passed on", FORWARDS, NONE),
    Case("102 from the upstream", told("HTTP/1.1 102 Processing\r\n\r\n"), "passed on", FORWARDS, NONE),
    Case("100 that nobody expects", told("HTTP/1.1 100 Continue\r\n\r\n"), "passed on", FORWARDS, NONE),
    Case("103, to a client of HTTP/2", over_http2, "passed on", FORWARDS, NONE),
    Case("103, to a client of HTTP/1.0", to_old_client, "dropped", FORWARDS),
    Case("`Expect: 100-continue`: the upstream's", expectation, "passed on", "RFC 9110 §10.1.1"),
    Case("A client that waits for 100", waits, "100, then 200", "RFC 9110 §10.1.1"),
    Case("An upstream that refuses in place of 100", refused, "403", "RFC 9110 §10.1.1", AT_ONCE),
    Case("413 in the middle of an upload", early, "413", "our own choice"),
]

"""A client that leaves, at each point. Whether the upstream is left, too, and how soon."""

import contextlib
import time

from case import WATCHED, Case, soon
from scripted.wire import Wire
from two import Client

TITLE = "A client that leaves"


def waits(wire, exchange):
    """For the proxy to go."""
    if wire.is_left(WATCHED):
        exchange.notes["left"] = time.monotonic()


def takes(wire, exchange):
    wire.take(2)
    waits(wire, exchange)


def reads(wire, exchange):
    """A body that does not end, to see how it breaks off."""
    exchange.notes["begun"] = True
    wire.connection.settimeout(WATCHED)
    with contextlib.suppress(TimeoutError):
        wire.rest()
        exchange.notes["left"] = time.monotonic()


def talks(wire, exchange):
    """An answer without an end."""
    wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    end = time.monotonic() + 2 * WATCHED
    with contextlib.suppress(OSError):
        while time.monotonic() < end:
            wire.send("400\r\n" + 1024 * "x" + "\r\n")
            exchange.notes["begun"] = True
            if wire.is_left(0.02):
                break
        else:
            return
    exchange.notes["left"] = time.monotonic()


def left(exchange, since):
    exchange.is_played(2 * WATCHED + 0.5)
    if "left" not in exchange.notes:
        return "not left"
    return f"left {soon(exchange.notes['left'] - since)}"


def leaves(play, fields="", request="GET", body="", by="close", head=False):
    """The client goes when the request is there, or with the answer begun."""

    def look(scene):
        client, exchange = scene.ask(play, fields, request=request, body=body)
        if head:
            client.head()
            client.some()
        elif not exchange.arrives(0.5):
            client.close()
            return "never asked"
        # So that it is the upstream's turn.
        time.sleep(0.05)
        since = time.monotonic()
        getattr(client, by)()
        return left(exchange, since)

    return look


def in_its_head(scene):
    exchange = scene.upstream.script(waits, "")
    client = Wire.to(scene.address)
    client.send(f"GET {exchange.path} HTTP/1.1\r\nHost: a\r\n")
    time.sleep(0.05)
    client.close()
    return "asked" if exchange.arrives(0.3) else "never asked"


def over_http2(play, by, request="GET", more=False):
    def look(scene):
        exchange = scene.upstream.script(play, "")
        with Client(scene.http2) as client:
            stream = client.ask(exchange.path, method=request, body=b"hi" if more else b"", ends=not more)
            if play is talks:
                client.answer(stream, until=lambda answer: answer.data)
            elif not exchange.arrives(0.5):
                return "never asked"
            time.sleep(0.05)
            since = time.monotonic()
            client.reset(stream) if by == "reset" else client.close()
            return left(exchange, since)

    return look


def stream_to_stream(scene):
    """A reset of the client's stream: how the upstream's ends."""

    def play(stream, exchange):
        if stream.is_left(WATCHED):
            exchange.notes["left"] = time.monotonic()

    exchange = scene.two.script(play)
    with Client(scene.http2) as client:
        fields = [("content-type", "application/grpc"), ("te", "trailers")]
        stream = client.ask(exchange.path, *fields, method="POST", body=b"\0\0\0\0\0")
        if not exchange.arrives():
            return "never asked"
        time.sleep(0.05)
        since = time.monotonic()
        client.reset(stream)
        seen = left(exchange, since)
        return f"{seen}, {exchange.stream.left}" if exchange.stream.left else seen


NEVER = "left at once or never asked"

CASES = [
    Case("In its head", in_its_head, "never asked", "R15"),
    Case("In its body", leaves(reads, "Content-Length: 10\r\n", "POST", "hi"), NEVER, "R15"),
    Case("In its body, by a reset", leaves(reads, "Content-Length: 10\r\n", "POST", "hi", by="reset"), NEVER, "R15"),
    Case(
        "In its body, between two chunks",
        leaves(reads, "Transfer-Encoding: chunked\r\n", "POST", "2\r\nhi\r\n"),
        NEVER,
        "R15",
    ),
    Case("Before the answer's head", leaves(waits), "left at once", "R15"),
    Case("Before the answer's head, by a reset", leaves(waits, by="reset"), "left at once", "R15"),
    Case(
        "Before the answer's head, after a whole body",
        leaves(takes, "Content-Length: 2\r\n", "POST", "hi"),
        "left at once",
        "R15",
    ),
    Case("Before the answer's head, and still listens (half-close)", leaves(waits, by="finish"), "left at once", "R15"),
    Case("In the answer", leaves(talks, head=True), "left at once", "R15"),
    Case("In the answer, by a reset", leaves(talks, by="reset", head=True), "left at once", "R15"),
    Case("HTTP/2: it resets its stream before the head", over_http2(waits, "reset"), "left at once", "R15"),
    Case("HTTP/2: it resets its stream in its body", over_http2(reads, "reset", "POST", more=True), NEVER, "R15"),
    Case("HTTP/2: it resets its stream in the answer", over_http2(talks, "reset"), "left at once", "R15"),
    Case("HTTP/2: it closes its connection in the answer", over_http2(talks, "close"), "left at once", "R15"),
    Case("HTTP/2 on both sides: it resets its stream", stream_to_stream, "left at once, CANCEL", "R15"),
]

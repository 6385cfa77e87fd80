"""An upstream that dies, at each point. What the client gets, and whether anybody is asked twice."""

import contextlib
import time

from case import CHUNKED, LENGTH, Case, end_of, final, status_of
from scripted.scene import fine
from scripted.wire import Ended, Wire

TITLE = "An upstream that dies"


def dies(*says, by="close", request="GET", fields="", body=""):
    """After it has said this."""

    def play(wire, _):
        for part in says:
            wire.send(part)
            # So that the proxy has it before it sees the end.
            time.sleep(0.1)
        if request == "POST":
            with contextlib.suppress(TimeoutError, Ended):
                wire.take(len(body))
        getattr(wire, by)()

    def look(scene):
        client, exchange = scene.ask(play, f"Connection: TE\r\nTE: trailers\r\n{fields}", request=request, body=body)
        with client:
            try:
                head = final(client)
            except Ended:
                return "closed without an answer"
            if head.status == 200:
                return end_of(client, head)
            return counted(str(head.status), request, exchange.times)

    return look


def counted(seen, request, times):
    """How often the upstream was asked, which matters where it may be once only."""
    if times == 1:
        return seen
    return f"{seen}, asked {times} times" if request == "POST" else f"{seen} (asked {times} times)"


def at(folder):
    """Of an upstream that does not even accept."""

    def look(scene):
        exchange = scene.upstream.script(fine, folder)
        with Wire.to(scene.address) as client:
            client.send(f"GET {exchange.path} HTTP/1.1\r\nHost: a\r\n\r\n")
            return status_of(client)

    return look


def kept(request, by="close", body="", idle=False):
    """It has answered over this connection before, and dies at the next request, or before it."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""

    def look(scene):
        client, first = scene.ask(fine)
        with client:
            client.body(client.head())
            if idle:
                first.wire.shut()
                time.sleep(0.1)

            def play(wire, exchange):
                if wire.served and not idle:
                    exchange.notes["kept"] = True
                    getattr(wire, by)()
                else:
                    fine(wire, exchange)

            _, second = scene.ask(play, length, request=request, body=body, client=client)
            status = status_of(client)
            if not idle and not second.notes.get("kept"):
                return f"{status} (its connection was not kept)"
            return counted(status, request, second.times)

    return look


def in_the_upload(scene):
    def play(wire, _):
        wire.wait()
        wire.reset()

    client, exchange = scene.ask(play, "Content-Length: 1000000\r\n", request="POST", body="x" * 1000)
    with client:
        with contextlib.suppress(OSError):
            for _ in range(9):
                client.send("x" * 111_000)
                time.sleep(0.02)
        said = status_of(client)
        return counted(said, "POST", exchange.times)


HEAD = "R33"
BODY = "RFC 9112 §8"
# Anything but a second time.
ONCE = "502 or closed without an answer"

CASES = [
    Case("It refuses connections", at("closed/"), "502", "R33"),
    Case("It accepts, and closes", at("rude/"), "502", HEAD),
    Case("It reads the request, and closes", dies(), "502", HEAD),
    Case("It reads the request, and resets", dies(by="reset"), "502", HEAD),
    Case(
        "`POST`: it reads it, and closes", dies(request="POST", fields="Content-Length: 2\r\n", body="hi"), "502", HEAD
    ),
    Case("In the status line", dies("HTTP/1.1 20"), "502", HEAD),
    Case("Between two fields", dies("HTTP/1.1 200 OK\r\nX-Own: 1\r\n"), "502", HEAD),
    Case("After an interim answer", dies("HTTP/1.1 103 Early Hints\r\n\r\n"), "502", HEAD),
    Case("After the head, with a length", dies(LENGTH), "aborted or 502", BODY),
    Case("In a body with a length", dies(LENGTH, "hi"), "aborted", BODY),
    Case("In a body with a length, by a reset", dies(LENGTH, "hi", by="reset"), "aborted", BODY),
    Case("After the head, with chunks", dies(CHUNKED), "aborted or 502", BODY),
    Case("In the size of a chunk", dies(CHUNKED, "2\r\nhi\r\n1"), "aborted", BODY),
    Case("In a chunk", dies(CHUNKED, "5\r\nhi"), "aborted", BODY),
    Case("Between two chunks", dies(CHUNKED, "2\r\nhi\r\n"), "aborted", BODY),
    Case("Between two chunks, by a reset", dies(CHUNKED, "2\r\nhi\r\n", by="reset"), "aborted", BODY),
    Case("Before the trailers", dies(CHUNKED, "2\r\nhi\r\n0\r\n"), "aborted", BODY),
    Case("In the trailers", dies(CHUNKED, "2\r\nhi\r\n0\r\nX-Su"), "aborted", BODY),
    Case(
        "In a body that ends with its connection, by a reset",
        dies("HTTP/1.1 200 OK\r\n\r\n", "hi", by="reset"),
        "aborted",
        BODY,
    ),
    Case("In an upload", in_the_upload, "502", HEAD),
    Case("A connection that was kept is closed at the next `GET`", kept("GET"), "200 or 502", HEAD),
    Case(
        "A connection that was kept is reset at the next `GET`",
        kept("GET", by="reset"),
        "200 or 502",
        HEAD,
    ),
    Case("A connection that was kept is closed at the next `POST`", kept("POST", body="hi"), ONCE, "RFC 9110 §9.2.2"),
    Case(
        "A connection that was kept is reset at the next `POST`",
        kept("POST", by="reset", body="hi"),
        ONCE,
        "RFC 9110 §9.2.2",
    ),
    Case(
        "A connection that was kept is closed before the next `GET`", kept("GET", idle=True), "200", "RFC 9112 §9.3.1"
    ),
    Case(
        "A connection that was kept is closed before the next `POST`",
        kept("POST", body="hi", idle=True),
        "200",
        "RFC 9112 §9.3.1",
    ),
]

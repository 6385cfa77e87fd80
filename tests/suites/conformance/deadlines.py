"""A deadline of 300 ms, in each phase of a request, before an upstream that takes longer."""

import re
import time

from case import CHUNKED, TIMEOUT, WATCHED, Case, at_deadline
from http2 import GRPC, MESSAGE
from peers.tunnels import ASKED, ASKS, FOLDER, TOLD, switch
from scripted.scene import fine
from scripted.wire import Ended, Wire
from two import Client

TITLE = "A deadline, in each phase"

NOT = f"not within {WATCHED} s"


def silent(wire, exchange):
    """An upstream that has read the head, and says nothing."""
    if wire.is_left(WATCHED + 1):
        exchange.notes["left"] = time.monotonic()


def answer(client, since, watched=WATCHED):
    """The status and when, and in which stage it was stopped."""
    client.connection.settimeout(watched)
    try:
        head = client.head()
    except TimeoutError:
        return f"not within {watched} s"
    except Ended:
        return f"closed {at_deadline(since)}"
    stage = re.search(r"stage=(\w+)", "".join(head.values("deadline-exceeded")))
    return f"{head.status} {at_deadline(since)}" + (f" (stage `{stage[1]}`)" if stage else "")


def stopped(play=silent, fields="", request="GET", body="", folder=""):
    def look(scene):
        since = time.monotonic()
        client, _ = scene.ask(play, TIMEOUT + fields, request=request, body=body, folder=folder)
        with client:
            return answer(client, since)

    return look


def in_the_head(scene):
    """Half of one: there is no deadline yet, and the limits of the listener hold."""
    exchange = scene.upstream.script(fine, "")
    with Wire.to(scene.address) as client:
        client.send(f"GET {exchange.path} HTTP/1.1\r\n{TIMEOUT}Host: a\r\n")
        client.connection.settimeout(12)
        try:
            return f"{client.head().status} within 12 s"
        except TimeoutError:
            return "not within 12 s"
        except Ended:
            return "closed within 12 s"


def for_a_connection(scene):
    """Another request has the only one."""
    first, exchange = scene.ask(silent, folder="one/")
    with first:
        if not exchange.arrives():
            return "never asked"
        seen = stopped(folder="one/")(scene)
        first.close()
        # The next run must find it free.
        exchange.is_played()
        return seen


def unread(scene):
    """An upload that the upstream does not take."""
    since = time.monotonic()
    client, _ = scene.ask(silent, f"{TIMEOUT}Content-Length: 100000000\r\n", request="POST")
    with client:
        client.connection.settimeout(WATCHED)
        try:
            while time.monotonic() - since < WATCHED:
                client.send("x" * 100_000)
        except TimeoutError:
            # It is full.
            pass
        except OSError:
            return answer(client, since)
        return answer(client, since, 0.1) if time.monotonic() - since < WATCHED else NOT


def in_the_body(scene):
    def play(wire, exchange):
        wire.send(f"{CHUNKED}2\r\nhi\r\n")
        silent(wire, exchange)

    since = time.monotonic()
    client, _ = scene.ask(play, TIMEOUT)
    with client:
        head = client.head()
        client.connection.settimeout(WATCHED)
        try:
            client.body(head)
            return "clean end"
        except Ended:
            return f"aborted {at_deadline(since)}"
        except TimeoutError:
            return NOT


def deaf(scene):
    """A client that does not read: the upstream is left all the same."""

    def play(wire, exchange):
        wire.send(CHUNKED)
        wire.connection.settimeout(WATCHED)
        try:
            while True:
                wire.send("10000\r\n" + "x" * 65_536 + "\r\n")
        except TimeoutError:
            pass
        except OSError:
            exchange.notes["left"] = time.monotonic()

    since = time.monotonic()
    client, exchange = scene.ask(play, TIMEOUT)
    with client:
        exchange.is_played(2 * WATCHED)
        return left(exchange, since)


def left(exchange, since):
    if "left" not in exchange.notes:
        return NOT
    return f"left {at_deadline(since - (time.monotonic() - exchange.notes['left']))}"


def is_left(scene):
    since = time.monotonic()
    client, exchange = scene.ask(silent, TIMEOUT)
    with client:
        exchange.is_played(WATCHED)
        return left(exchange, since)


def outlived(scene):
    """The deadline of a tunnel ends with its handshake."""
    client, _ = scene.ask(switch(), TIMEOUT + ASKS, folder=FOLDER)
    with client:
        if (status := client.head().status) != 101:
            return f"no tunnel: {status}"
        time.sleep(0.6)
        client.send(ASKED)
        return "works" if client.take(len(TOLD)) == TOLD.encode("latin-1") else "other bytes"


def expired(scene):
    client, exchange = scene.ask(fine, "X-Request-Timeout: 0\r\n")
    with client:
        status = client.head().status
        return f"{status}, " + ("asked" if exchange.head else "never asked")


def remaining(fields):
    """What an upstream is told of what is left."""

    def look(scene):
        client, exchange = scene.ask(fine, fields)
        with client:
            status = client.head().status
            said = exchange.head.values("x-request-timeout") if exchange.head else []
        if not exchange.head:
            return str(status)
        sizes = [int(found[1]) for each in said if (found := re.fullmatch(r"(\d+)ms", each))]
        if len(said) == 1 and sizes and 200 <= sizes[0] < 300:
            return "what is left"
        return "as it came" if said else "nothing"

    return look


def of_a_call(play):
    """By gRPC's own field."""

    def look(scene):
        exchange = scene.two.script(play)
        with Client(scene.http2) as client:
            client.connection.settimeout(WATCHED)
            since = time.monotonic()
            fields = [*GRPC, ("grpc-timeout", "300m")]
            try:
                told = client.answer(client.ask(exchange.path, *fields, method="POST", body=MESSAGE))
            except TimeoutError:
                return NOT
            status = told.value("grpc-status")
            seen = f"grpc-status {status}" if status and told.end == "whole" else told.end
            return f"{seen} {at_deadline(since)}"

    return look


def waits(stream, _):
    stream.is_left(WATCHED + 1)


def begins(stream, _):
    stream.head("200", ("content-type", "application/grpc"))
    stream.body(MESSAGE)
    stream.is_left(WATCHED + 1)


def in_a_stream(scene):
    """An answer over HTTP/2 that goes on too long."""

    def play(wire, exchange):
        wire.send(f"{CHUNKED}2\r\nhi\r\n")
        silent(wire, exchange)

    exchange = scene.upstream.script(play, "")
    with Client(scene.http2) as client:
        client.connection.settimeout(WATCHED)
        since = time.monotonic()
        try:
            told = client.answer(client.ask(exchange.path, ("x-request-timeout", "300ms")))
        except TimeoutError:
            return NOT
        return f"{told.end.replace(' (', ', ').removesuffix(')')} {at_deadline(since)}"


IN_TIME = "504 at the deadline"

CASES = [
    Case("The head of the request does not end", in_the_head, "408 within 12 s", "R1"),
    Case(
        "The body of the request does not come",
        stopped(fields="Content-Length: 10\r\n", request="POST", body="hi"),
        IN_TIME,
        "R13",
    ),
    Case("No connection to the upstream is free", for_a_connection, IN_TIME, "R2"),
    Case("No connection to the upstream is made", stopped(folder="hole/"), IN_TIME, "R13"),
    Case("The upstream does not read the body", unread, IN_TIME, "R13"),
    Case("The upstream does not answer", stopped(), IN_TIME, "R13"),
    Case("The upstream does not answer: it is", is_left, "left at the deadline", "R15"),
    Case("The body of the answer does not end", in_the_body, "aborted at the deadline", "R13"),
    Case("The body of the answer does not end, over HTTP/2", in_a_stream, "reset, CANCEL at the deadline", "R13"),
    Case("The client does not read the answer: the upstream is", deaf, "left at the deadline", "R13b"),
    Case("The upstream does not switch protocols", stopped(fields=ASKS, folder=FOLDER), IN_TIME, "R17"),
    Case("A tunnel that was made in time, after the deadline", outlived, "works", "R17"),
    Case("gRPC: the upstream does not answer", of_a_call(waits), "grpc-status 4 at the deadline", "R13"),
    Case("gRPC: the answer does not end", of_a_call(begins), "grpc-status 4 at the deadline", "R13"),
    Case("`X-Request-Timeout: 0`", expired, "504, never asked", "R10"),
    Case("`X-Request-Timeout: soon`", remaining("X-Request-Timeout: soon\r\n"), "400", "R5"),
    Case("`X-Request-Timeout: 300ms`: the upstream is told", remaining(TIMEOUT), "what is left", "R2"),
    Case(
        "`X-Request-Timeout: 300ms` and `5s`: the upstream is told",
        remaining(TIMEOUT + "X-Request-Timeout: 5s\r\n"),
        "what is left",
        "R6",
    ),
]

"""A deadline of 300 ms, before an upstream that takes 2 s: what it is told, and what the client gets when."""

import time

from scripted.scene import Row
from scripted.wire import Ended

FIELDS = ["x-request-timeout", "grpc-timeout", "x-envoy-expected-rq-timeout-ms"]
TAKES = 2


def slow(wire, _):
    if not wire.is_left(TAKES):
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def looked_at(fields):
    def look(scene):
        start = time.monotonic()
        client, exchange = scene.ask(slow, fields)
        with client:
            status = client.head().status
            passed = (time.monotonic() - start) * 1000
        seen = exchange.head.fields if exchange.head else []
        told = [f"{name}: {value}" for name, value in seen if name in FIELDS]
        return f"told {', '.join(told) or 'nothing'}; {status} after {passed:.0f} ms"

    return look


def in_the_body(scene):
    """The head is there at once, and the body goes on."""

    def play(wire, _):
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        if not wire.is_left(TAKES):
            wire.send("0\r\n\r\n")

    start = time.monotonic()
    client, _ = scene.ask(play, "X-Request-Timeout: 300ms\r\n")
    with client:
        try:
            client.body(client.head())
            end = "whole"
        except Ended:
            end = "aborted"
        return f"{end} after {(time.monotonic() - start) * 1000:.0f} ms"


# What is left, and the answer when nothing is: not before, and soon after.
WANTED = r"told x-request-timeout: (2\d\d|300)ms; 504 after (29\d|[345]\d\d) ms"

ROWS = [
    Row("`X-Request-Timeout: 300ms`", looked_at("X-Request-Timeout: 300ms\r\n"), WANTED),
    Row("`X-Request-Timeout: 300ms`, and the head is there at once", in_the_body, r"aborted after (29\d|[345]\d\d) ms"),
    Row(
        "`X-Request-Timeout: 300ms`, and `Connection` names it",
        looked_at("Connection: x-request-timeout\r\nX-Request-Timeout: 300ms\r\n"),
        WANTED,
    ),
    Row("`grpc-timeout: 300m` (no gRPC)", looked_at("grpc-timeout: 300m\r\n"), WANTED),
    Row("`x-envoy-expected-rq-timeout-ms: 300`", looked_at("x-envoy-expected-rq-timeout-ms: 300\r\n"), WANTED),
]

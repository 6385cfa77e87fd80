"""`TE`, and the fields behind a body."""

from case import Case
from peers.fields import te
from peers.streams import CHUNKED
from peers.streams import trailers as relayed
from peers.streams import trailers_of_a_request as sent
from two import Client

TITLE = "TE and trailers"


ANNOUNCED = "hyper's server sends no trailer over HTTP/1.1 that the head did not announce. Over HTTP/2 it passes."


def answer(wire, _):
    wire.send(f"{CHUNKED}Trailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n")


def unasked(scene):
    client, _ = scene.ask(answer)
    with client:
        return "pass" if "x-sum" in client.body(client.head())[1] else "dropped"


def announced(scene):
    client, _ = scene.ask(answer, "Connection: TE\r\nTE: trailers\r\n")
    with client:
        return "yes" if client.head().has("trailer") else "no"


def not_announced(scene):
    def play(wire, _):
        wire.send(f"{CHUNKED}\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n")

    client, _ = scene.ask(play, "Connection: TE\r\nTE: trailers\r\n")
    with client:
        return "pass" if "x-sum" in client.body(client.head())[1] else "dropped"


def to_http2(scene):
    exchange = scene.upstream.script(answer, "")
    with Client(scene.http2) as client:
        told = client.answer(client.ask(exchange.path, ("te", "trailers")))
        return "pass" if told.value("x-sum") else "dropped"


def of_http2(scene):
    def play(wire, exchange):
        exchange.notes["trailers"] = wire.body(exchange.head)[1]
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    exchange = scene.upstream.script(play, "")
    fields = [("trailer", "x-sum")]
    with Client(scene.http2) as client:
        told = client.answer(client.ask(exchange.path, *fields, method="POST", body=b"hi", trailers=[("x-sum", "1")]))
        if not exchange.head:
            return told.status or told.end
        return "pass" if "x-sum" in exchange.notes["trailers"] else "dropped"


CASES = [
    Case("`TE: foo` and `TE: bar, trailers`, named, become", te, "trailers", "R30"),
    Case("Trailers of a request", sent, "pass", "R14"),
    Case("Trailers of a request, from HTTP/2", of_http2, "pass", "R14"),
    Case("Trailers of an answer, to `TE: trailers`", relayed, "pass", "R14"),
    Case("Trailers of an answer that nobody announced", not_announced, "pass", "R14", ANNOUNCED),
    Case("`Trailer` tells the client of them", announced, "yes", "R30"),
    Case("Trailers of an answer, to a client that did not ask", unasked, "dropped", "our own choice"),
    Case("Trailers of an answer, to HTTP/2", to_http2, "pass", "R14"),
]

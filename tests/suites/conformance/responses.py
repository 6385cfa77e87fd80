"""Fields of an answer that concern one connection: do they reach the client?"""

from case import Case, comes_back
from two import Client

TITLE = "Hop-by-hop fields of answers"


def trailer(scene):
    def play(wire, _):
        wire.send("HTTP/1.1 200 OK\r\nConnection: X-Sum\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n")
        wire.send("2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n")

    client, _ = scene.ask(play, "Connection: TE\r\nTE: trailers\r\n")
    with client:
        return "passed on" if "x-sum" in client.body(client.head())[1] else "removed"


def over_http2(scene):
    def play(wire, _):
        fields = (
            "Connection: keep-alive, X-Own\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nX-Own: 1\r\n"
        )
        wire.send(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n")

    exchange = scene.upstream.script(play, "")
    with Client(scene.http2) as client:
        answer = client.answer(client.ask(exchange.path))
        names = ["connection", "keep-alive", "proxy-connection", "x-own"]
        there = [name for name in names if answer.value(name)]
        return f"passed on: {', '.join(there)}" if there else "removed" if answer.status == "200" else answer.status


def stays(scene):
    """An upstream that closes: whether the client's own connection is closed with it."""

    def play(wire, _):
        wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        wire.close()

    client, _ = scene.ask(play)
    with client:
        head = client.head()
        return "closed" if "close" in head.values("connection") or client.is_left(0.2) else "kept"


HOP = "RFC 9110 §7.6.1"

CASES = [
    Case(
        "`Keep-Alive: timeout=5`",
        comes_back("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", "Keep-Alive"),
        "removed",
        HOP,
    ),
    Case(
        "`Proxy-Connection: keep-alive`",
        comes_back("Proxy-Connection: keep-alive\r\n", "Proxy-Connection"),
        "removed",
        HOP,
    ),
    Case("`Upgrade: h2c`, an offer", comes_back("Connection: Upgrade\r\nUpgrade: h2c\r\n", "Upgrade"), "removed", HOP),
    Case("`Connection: X-Own, close`", comes_back("Connection: X-Own, close\r\nX-Own: 1\r\n", "X-Own"), "removed", HOP),
    Case(
        "Two `Connection` lines, with a name in each",
        comes_back("Connection: X-One\r\nConnection: X-Two\r\nX-One: 1\r\nX-Two: 2\r\n", "X-One", "X-Two"),
        "removed",
        HOP,
    ),
    Case("`Connection` names a field of the trailers", trailer, "removed", HOP),
    Case(
        "`Connection: Set-Cookie`",
        comes_back("Connection: Set-Cookie\r\nSet-Cookie: a=b\r\n", "Set-Cookie"),
        "removed",
        HOP,
    ),
    Case("`Connection: Content-Length`", comes_back("Connection: Content-Length\r\n", "Content-Length"), "502", "R35"),
    Case("The same to a client of HTTP/2, with `Keep-Alive`", over_http2, "removed", "RFC 9113 §8.2.2"),
    Case("`Connection: close`: the client's own connection is", stays, "kept", "R30"),
]

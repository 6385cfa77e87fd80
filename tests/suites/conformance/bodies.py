"""Bodies while they are under way: is what is there passed on?"""

from case import Case, end_of
from peers.streams import event, upload
from scripted.scene import fine
from scripted.wire import Wire

TITLE = "Bodies under way"


def head_of(request, status_line):
    """An answer that has no body, whatever it says."""

    def look(scene):
        client, _ = scene.ask(lambda wire, _: wire.send(f"{status_line}\r\n\r\n"), request=request)
        with client:
            head = client.head()
            # The next one would be read as the body of this.
            client, _ = scene.ask(fine, client=client)
            return "whole" if client.head().status == 200 else str(head.status)

    return look


def to_the_close(scene):
    def play(wire, _):
        wire.send("HTTP/1.1 200 OK\r\n\r\nhello")
        wire.close()

    client, _ = scene.ask(play)
    with client:
        head = client.head()
        return end_of(client, head)


def old_upstream(scene):
    def play(wire, _):
        wire.send("HTTP/1.0 200 OK\r\n\r\nhello")
        wire.close()

    client, _ = scene.ask(play)
    with client:
        head = client.head()
        return "clean end" if client.body(head)[0] == b"hello" else "other bytes"


def old_client(scene):
    """No chunks for who does not know of them."""

    def play(wire, _):
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")

    exchange = scene.upstream.script(play, "")
    with Wire.to(scene.address) as client:
        client.send(f"GET {exchange.path} HTTP/1.0\r\nHost: a\r\n\r\n")
        head = client.head()
        if head.has("transfer-encoding"):
            return "chunks"
        return "no chunks" if client.rest() == b"hello" else "other bytes"


CASES = [
    Case("The first event of a stream is passed on", event, "at once", "R14"),
    Case("The first chunk of an upload is passed on", upload, "at once", "R14"),
    Case("204 without a length", head_of("GET", "HTTP/1.1 204 No Content"), "whole", "RFC 9112 §6.3"),
    Case(
        "`HEAD`, answered with a length",
        head_of("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 10"),
        "whole",
        "RFC 9112 §6.3",
    ),
    Case(
        "304 with a length", head_of("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10"), "whole", "RFC 9112 §6.3"
    ),
    Case("An answer that ends with its connection", to_the_close, "clean end", "RFC 9112 §6.3"),
    Case("An answer of HTTP/1.0", old_upstream, "clean end", "RFC 9112 §6.3"),
    Case("Chunks, for a client of HTTP/1.0", old_client, "no chunks", "RFC 9112 §6.1"),
]

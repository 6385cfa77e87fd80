"""Bodies while they are under way: who waits for whom, what arrives behind them, who learns that one broke off."""

import threading
import time

from scripted.scene import Row, fine
from scripted.wire import Ended

CHUNKED = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
# For how long who could wait does.
PAUSE = 1


def event(scene):
    def play(wire, _):
        wire.send(f"{CHUNKED}\r\n2\r\nhi\r\n")
        time.sleep(PAUSE)
        wire.send("0\r\n\r\n")

    start = time.monotonic()
    client, _ = scene.ask(play)
    with client:
        client.head()
        client.some()
        return "at once" if time.monotonic() - start < PAUSE / 2 else "once the body has ended"


def upload(scene):
    begun = threading.Event()

    def play(wire, exchange):
        wire.wait()
        begun.set()
        fine(wire, exchange)

    client, _ = scene.ask(play, "Transfer-Encoding: chunked\r\n", request="POST", body="2\r\nhi\r\n")
    with client:
        soon = begun.wait(PAUSE)
        client.send("0\r\n\r\n")
        client.head()
        return "at once" if soon else "once the body has ended"


def trailers(scene):
    def play(wire, _):
        wire.send(f"{CHUNKED}Trailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n")

    client, _ = scene.ask(play, "Connection: TE\r\nTE: trailers\r\n")
    with client:
        _, behind = client.body(client.head())
        return "pass" if "x-sum" in behind else "dropped"


def trailers_of_a_request(scene):
    fields = "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
    client, exchange = scene.ask(fine, fields, request="POST", body="2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n")
    with client:
        status = client.head().status
        if not exchange.head:
            return str(status)
        return "pass" if "x-sum" in exchange.notes["trailers"] else "dropped"


def broken_off(*says):
    """An upstream that says this, and then dies."""

    def play(wire, _):
        for part in says:
            wire.send(part)
            # So that the proxy has it before it sees the end.
            time.sleep(0.1)
        wire.close()

    def look(scene):
        client, exchange = scene.ask(play)
        with client:
            head = client.head()
            if head.status != 200:
                return f"{head.status}" + (f", asked {exchange.times} times" if exchange.times > 1 else "")
            try:
                client.body(head)
                return "clean end"
            except Ended as ended:
                return f"aborted ({ended})"
            except TimeoutError:
                return "left open"

    return look


LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

ROWS = [
    Row("The first event of a stream is delivered", event, "at once"),
    Row("An upload in chunks is passed on", upload, "at once"),
    Row("Trailers of a response, to `TE: trailers`", trailers, "pass"),
    Row("Trailers of a request", trailers_of_a_request, "pass"),
    # Where the connection had been kept, a GET is sent once more.
    Row("The upstream dies before its head", broken_off(), "502(, asked 2 times)?"),
    Row(
        "The upstream dies in a chunked body: the client sees",
        broken_off(f"{CHUNKED}\r\n", "2\r\nhi\r\n"),
        "aborted .*",
    ),
    Row("The upstream dies in a body with a length: the client sees", broken_off(LENGTH, "hi"), "aborted .*"),
]

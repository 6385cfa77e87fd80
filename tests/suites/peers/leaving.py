"""A client that leaves: whether the upstream is left, too."""

import threading
import time

from scripted.scene import Row

SECONDS = 1.5


def left(client, exchange):
    """The client goes now."""
    start = time.monotonic()
    client.close()
    if not exchange.is_played(2 * SECONDS) or "left" not in exchange.notes:
        return f"not within {SECONDS} s"
    return f"after {(exchange.notes['left'] - start) * 1000:.0f} ms"


def before_the_head(scene):
    def play(wire, exchange):
        if wire.is_left(SECONDS):
            exchange.notes["left"] = time.monotonic()

    client, exchange = scene.ask(play)
    return left(client, exchange) if exchange.arrives() else "never asked"


def in_the_body(scene):
    began = threading.Event()

    def play(wire, exchange):
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        end = time.monotonic() + 2 * SECONDS
        while time.monotonic() < end:
            try:
                wire.send("400\r\n" + 1024 * "x" + "\r\n")
            except OSError:
                exchange.notes["left"] = time.monotonic()
                return
            began.set()
            if wire.is_left(0.02):
                exchange.notes["left"] = time.monotonic()
                return

    client, exchange = scene.ask(play)
    client.head()
    client.some()
    return left(client, exchange)


# Within a second.
SOON = r"after \d{1,3} ms"

ROWS = [
    Row("The client leaves before the head: the upstream is left", before_the_head, SOON),
    Row("The client leaves in the body: the upstream is left", in_the_body, SOON),
]

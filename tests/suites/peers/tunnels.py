"""101, and what comes after it."""

import base64
import contextlib
import hashlib
import time

from scripted.http2 import Http2
from scripted.scene import Row
from scripted.wire import PATIENCE

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASKS = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
# Where a peer that has to be told of tunnels is.
FOLDER = "tunnel/"
PAUSE = 0.2
# A frame of text as a client sends it, masked with nothing, and as a server does.
ASKED, TOLD = "\x81\x85\0\0\0\0there", "\x81\x05there"
LAST = "\x81\x04last"


def accept(key):
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    return base64.b64encode(digest).decode()


def switch(protocol="websocket", key=None):
    """An upstream that switches, gives back one frame, and has a last word once its client has finished."""

    def play(wire, exchange):
        agree(wire, exchange, protocol, key)
        wire.send(f"\x81\x05{unmasked(wire.take(len(ASKED)))}")
        wire.rest()
        time.sleep(PAUSE)
        wire.send(LAST)
        wire.close()

    return play


def unmasked(frame):
    """The text of a short frame: whoever reads frames may mask them anew."""
    return "".join(chr(byte ^ frame[2 + at % 4]) for at, byte in enumerate(frame[6:]))


def agree(wire, exchange, protocol="websocket", key=None):
    wire.connection.settimeout(PATIENCE)
    key = key or "".join(exchange.head.values("sec-websocket-key"))
    fields = f"Connection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Accept: {accept(key)}\r\n"
    wire.send(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n")


def leave(wire, exchange):
    """An upstream that switches, and is gone."""
    agree(wire, exchange)
    time.sleep(PAUSE)
    wire.close()


def answered(play, fields=ASKS, folder=FOLDER):
    """What the client is told of a 101 that is wrong."""

    def look(scene):
        client, _ = scene.ask(play, fields, folder=folder)
        with client:
            status = client.head().status
            return "101 is passed on" if status == 101 else str(status)

    return look


def with_tunnel(play, through):
    def look(scene):
        client, exchange = scene.ask(play, ASKS, folder=FOLDER)
        with client:
            status = client.head().status
            return through(client, exchange) if status == 101 else f"no tunnel: {status}"

    return look


def back_and_forth(client, _):
    client.send(ASKED)
    return "works" if client.take(len(TOLD)) == TOLD.encode("latin-1") else "other bytes"


def client_finishes(client, _):
    client.send(ASKED)
    client.finish()
    return "kept" if client.rest() == (TOLD + LAST).encode("latin-1") else "lost"


def upstream_finishes(client, exchange):
    client.send(ASKED)
    client.rest()
    time.sleep(PAUSE)
    with contextlib.suppress(OSError):
        client.send(ASKED)
        client.finish()
    return "kept" if exchange.is_played() and exchange.notes.get("heard") == ASKED.encode("latin-1") else "lost"


def finish(wire, exchange):
    """An upstream that switches, has nothing to say, and listens."""
    agree(wire, exchange)
    wire.take(len(ASKED))
    wire.finish()
    exchange.notes["heard"] = wire.rest()


def over_http2(scene):
    exchange = scene.upstream.script(switch(), FOLDER)
    with Http2(scene.http2) as client:
        if not client.connects():
            return "not offered"
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", exchange.path)]
        status = client.ask([*fields, (":authority", "a"), ("sec-websocket-version", "13")])
        if status != 200:
            return f"no tunnel: {status or 'reset'}"
        client.send(ASKED.encode("latin-1"))
        return "works" if client.some() == TOLD.encode("latin-1") else "other bytes"


ROWS = [
    # R32: an upstream may not switch where nobody asked it to.
    Row("A 101 that nobody asked for becomes", answered(leave, "", ""), "502"),
    Row("A 101 to another protocol than was asked for", answered(switch("other")), "502"),
    Row("A 101 with a wrong `Sec-WebSocket-Accept`", answered(switch(key="wrong")), "502"),
    Row("A WebSocket tunnel", with_tunnel(switch(), back_and_forth), "works"),
    Row("A half-close of a tunnel by the client is", with_tunnel(switch(), client_finishes), "kept"),
    Row("A half-close of a tunnel by the upstream is", with_tunnel(finish, upstream_finishes), "kept"),
    Row("A WebSocket over HTTP/2 (extended CONNECT)", over_http2, "works"),
]

"""Where a client wants to switch, and what comes of it."""

from case import Case, reaches
from peers.tunnels import (
    ASKED,
    ASKS,
    FOLDER,
    TOLD,
    accept,
    answered,
    back_and_forth,
    client_finishes,
    finish,
    leave,
    over_http2,
    switch,
    upstream_finishes,
    with_tunnel,
)
from scripted.scene import fine
from scripted.wire import Wire

TITLE = "Upgrades and tunnels"


def first_bytes(scene):
    """Bytes of the tunnel, in one segment with the 101."""

    def play(wire, exchange):
        key = accept("".join(exchange.head.values("sec-websocket-key")))
        fields = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {key}\r\n"
        wire.send(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n{TOLD}")
        wire.is_left(1)

    client, _ = scene.ask(play, ASKS, folder=FOLDER)
    with client:
        status = client.head().status
        if status != 101:
            return f"no tunnel: {status}"
        return "passed on" if client.take(len(TOLD)) == TOLD.encode("latin-1") else "other bytes"


def eager(scene):
    """A client that does not wait for the 101."""
    client, _ = scene.ask(switch(), ASKS, folder=FOLDER, body=ASKED)
    with client:
        status = client.head().status
        if status != 101:
            return f"no tunnel: {status}"
        return "passed on" if client.take(len(TOLD)) == TOLD.encode("latin-1") else "other bytes"


def declined(status, fields=""):
    """An upstream that does not want to switch."""

    def look(scene):
        def play(wire, _):
            wire.send(f"HTTP/1.1 {status}\r\n{fields}Content-Length: 0\r\n\r\n")

        client, _ = scene.ask(play, ASKS, folder=FOLDER)
        with client:
            head = client.head()
            return f"{head.status}" + (", with `Upgrade`" if head.has("upgrade") else "")

    return look


def without_a_word(wire, _):
    """A 101 that does not say to what."""
    wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n")
    wire.is_left(0.3)
    wire.close()


def connect(scene):
    exchange = scene.upstream.script(fine, "")
    with Wire.to(scene.address) as client:
        client.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
        status = client.head().status
        return "refused" if status >= 400 and not exchange.head else str(status)


SWITCHES = "RFC 9110 §7.8"
WEBSOCKET = "RFC 6455 §4.2.2"
OTHER = ASKS.replace("websocket\r\n", "other\r\n", 1)
BOTH = ASKS.replace("websocket\r\n", "other, websocket\r\n", 1)

CASES = [
    Case("A wish for a WebSocket where none is allowed: `Upgrade`", reaches(ASKS, "Upgrade"), "removed", "R32"),
    Case(
        "A wish for another protocol than is allowed: `Upgrade`",
        reaches(OTHER, "Upgrade", folder=FOLDER),
        "removed",
        "R32",
    ),
    Case(
        "A wish for a WebSocket, with a body",
        reaches(ASKS + "Content-Length: 2\r\n", "Upgrade", request="POST", body="hi"),
        "removed",
        "R32",
    ),
    Case("A wish for a WebSocket where wishes are refused", reaches(ASKS, "Upgrade", folder="reject/"), "501", "R32"),
    Case("A WebSocket tunnel", with_tunnel(switch(), back_and_forth), "works", SWITCHES),
    Case("A WebSocket tunnel, among two protocols that are asked for", lambda scene: two_wishes(scene), "works", "R32"),
    Case("A WebSocket over HTTP/2 (extended CONNECT)", over_http2, "works", "RFC 8441 §5"),
    Case("Bytes of the upstream together with its 101", first_bytes, "passed on", SWITCHES),
    Case("Bytes of the client together with its wish", eager, "passed on", SWITCHES),
    Case("A half-close by the client", with_tunnel(switch(), client_finishes), "kept", "R32"),
    Case("A half-close by the upstream", with_tunnel(finish, upstream_finishes), "kept", "R32"),
    Case("A 101 that nobody asked for", answered(leave, "", ""), "502", SWITCHES),
    Case("A 101 that nobody asked for, where a tunnel may be", answered(leave, ""), "502", SWITCHES),
    Case("A 101 to another protocol than was asked for", answered(switch("other")), "502", SWITCHES),
    Case("A 101 without `Upgrade`", answered(without_a_word), "502", SWITCHES),
    Case("A 101 with a wrong `Sec-WebSocket-Accept`", answered(switch(key="wrong")), "502", "R32"),
    Case("The upstream declines with 200", declined("200 OK"), "200", SWITCHES),
    Case("The upstream declines with 403", declined("403 Forbidden"), "403", SWITCHES),
    Case("`CONNECT`", connect, "refused", "R32"),
]


def two_wishes(scene):
    client, _ = scene.ask(switch(), BOTH, folder=FOLDER)
    with client:
        status = client.head().status
        return back_and_forth(client, None) if status == 101 else f"no tunnel: {status}"

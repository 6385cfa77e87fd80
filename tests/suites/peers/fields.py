"""Fields that concern one connection, and what else of a message is for the proxy itself."""

from scripted.scene import Row, asked, fine

HOP_BY_HOP = ["keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"]


def listed(names):
    return ", ".join(names) or "none"


def of_the_connection(scene):
    fields = "".join(f"{name}: x\r\n" for name in HOP_BY_HOP)
    head, refused = asked(scene, f"Connection: keep-alive\r\n{fields}")
    return refused or listed(name for name in HOP_BY_HOP if head.has(name))


def nominated(scene):
    fields = "Connection: keep-alive, X-One\r\nConnection: X-Two\r\nX-One: 1\r\nX-Two: 2\r\n"
    head, refused = asked(scene, fields)
    return refused or listed(name for name in ["x-one", "x-two"] if head.has(name))


def te(scene):
    head, refused = asked(scene, "Connection: close, TE\r\nTE: foo\r\nTE: bar, trailers\r\n")
    return refused or listed(head.values("te"))


def protected(scene):
    head, refused = asked(scene, "Connection: close, Authorization\r\nAuthorization: Basic YTpi\r\n")
    return refused or ("kept" if head.has("authorization") else "removed")


def response(scene):
    def play(wire, _):
        wire.send("HTTP/1.1 200 OK\r\nConnection: X-Own, close\r\nX-Own: 1\r\nContent-Length: 0\r\n\r\n")
        wire.close()

    client, _ = scene.ask(play)
    with client:
        head = client.head()
        return str(head.status) if head.status != 200 else "leaks" if head.has("x-own") else "removed"


def h2c(scene):
    settings = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
    client, exchange = scene.ask(fine, settings)
    with client:
        status = client.head().status
    if status == 101 or not exchange.head:
        return "taken by the proxy" if status == 101 else str(status)
    return listed(name for name in ["upgrade", "http2-settings"] if exchange.head.has(name))


def early_hints(scene):
    def play(wire, _):
        wire.send("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    client, _ = scene.ask(play)
    with client:
        statuses = [client.head().status]
        while statuses[-1] < 200:
            statuses.append(client.head().status)
        return {(103, 200): "passed", (200,): "dropped"}.get(tuple(statuses), str(statuses))


ROWS = [
    Row("Fields of one connection that reach the upstream", of_the_connection, "none"),
    Row("Fields named by either of two `Connection` lines that do", nominated, "none"),
    Row("`TE: foo` and `TE: bar, trailers` become", te, "trailers"),
    Row("`Connection: authorization`: that field is", protected, "400"),
    Row("A response's `Connection: X, close`: X", response, "removed"),
    Row("`Upgrade: h2c` on a plain request: what reaches the upstream", h2c, "none"),
    # R34: a known gap.
    Row("103 Early Hints", early_hints, "dropped"),
]

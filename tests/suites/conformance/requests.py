"""Fields of a request that concern one connection: do they reach the upstream?"""

from case import Case, passed, reaches
from scripted.scene import asked, fine

TITLE = "Hop-by-hop fields of requests"

MANY = ", ".join(f"x-{at}" for at in range(33))
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
CHUNKS = "2\r\nhi\r\n0\r\n"


def trailer(scene):
    fields = "Connection: X-Sum\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
    client, exchange = scene.ask(fine, fields, request="POST", body=CHUNKS + "X-Sum: 1\r\n\r\n")
    with client:
        status = client.head().status
        if not exchange.head:
            return str(status)
        return "passed on" if "x-sum" in exchange.notes["trailers"] else "removed"


def timeout(scene):
    """Read before the stripping, and written anew behind it."""
    head, refused = asked(scene, "Connection: X-Request-Timeout\r\nX-Request-Timeout: 60s\r\n")
    told = head.values("x-request-timeout") if head else []
    return refused or ("removed" if not told else "passed on" if told == ["60s"] else "written anew")


def via(scene):
    head, refused = asked(scene, "Via: 1.1 a\r\n")
    return refused or ("added" if len(", ".join(head.values("via")).split(",")) == 2 else "not added")


def connection(scene):
    """Whether a client that wants its own connection closed closes another's."""
    head, refused = asked(scene, "Connection: close, X-One\r\nX-One: 1\r\n")
    return refused or passed(head, ["X-One"])


def forwards(scene, request):
    client, exchange = scene.ask(fine, "Max-Forwards: 0\r\n", request=request)
    with client:
        status = client.head().status
        return "forwarded" if exchange.head else f"not forwarded ({status})"


HOP = "RFC 9110 §7.6.1"

CASES = [
    Case(
        "`Keep-Alive: timeout=5`",
        reaches("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", "Keep-Alive"),
        "removed",
        HOP,
    ),
    Case(
        "`Keep-Alive`, and no `Connection` names it", reaches("Keep-Alive: timeout=5\r\n", "Keep-Alive"), "removed", HOP
    ),
    Case(
        "`Proxy-Connection: keep-alive`",
        reaches("Proxy-Connection: keep-alive\r\n", "Proxy-Connection"),
        "removed",
        HOP,
    ),
    Case("`TE: gzip`, and no `Connection` names it", reaches("TE: gzip\r\n", "TE"), "removed", HOP),
    Case("`Upgrade: h2c` and `HTTP2-Settings`, both named", reaches(H2C, "Upgrade", "HTTP2-Settings"), "removed", HOP),
    Case(
        "`Proxy-Authorization`", reaches("Proxy-Authorization: Basic YTpi\r\n", "Proxy-Authorization"), "removed", "R30"
    ),
    Case("`Connection: X-One`", reaches("Connection: X-One\r\nX-One: 1\r\n", "X-One"), "removed", HOP),
    Case(
        "Two `Connection` lines, with a name in each",
        reaches("Connection: X-One\r\nConnection: X-Two\r\nX-One: 1\r\nX-Two: 2\r\n", "X-One", "X-Two"),
        "removed",
        HOP,
    ),
    Case(
        "A name in another case, between empty elements",
        reaches("Connection: ,, x-ONE ,\r\nX-One: 1\r\n", "X-One"),
        "removed",
        HOP,
    ),
    Case("`Connection: close, X-One`", connection, "removed", HOP),
    Case(
        "A name, and three lines of that field",
        reaches("Connection: X-One\r\nX-One: 1\r\nX-One: 2\r\nX-One: 3\r\n", "X-One"),
        "removed",
        HOP,
    ),
    Case("`Connection` names a field of the trailers", trailer, "removed", HOP),
    Case("`Connection: TE`, `TE: trailers`", reaches("Connection: TE\r\nTE: trailers\r\n", "TE"), "passed on", "R30"),
    Case("`Connection: X-Request-Timeout`", timeout, "written anew", "R9"),
    Case(
        "`Connection: Authorization`",
        reaches("Connection: Authorization\r\nAuthorization: Basic YTpi\r\n", "Authorization"),
        "400",
        "R31",
    ),
    Case("`Connection: Cookie`", reaches("Connection: Cookie\r\nCookie: a=b\r\n", "Cookie"), "400", "R31"),
    Case("`Connection: Host`", reaches("Connection: Host\r\n", "Host"), "400", "R31"),
    Case(
        "`Connection: Content-Length`",
        reaches("Connection: Content-Length\r\nContent-Length: 2\r\n", "Content-Length", request="POST", body="hi"),
        "400",
        "R31",
    ),
    Case(
        "`Connection: X-Forwarded-For`",
        reaches("Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.2.3.4\r\n", "X-Forwarded-For"),
        "400",
        "R31",
    ),
    Case("`Connection` with 33 names", reaches(f"Connection: {MANY}\r\nX-1: 1\r\n", "X-1"), "400", "R31"),
    Case("`Via: 1.1 a`: one of the proxy's own", via, "added", "RFC 9110 §7.6.3"),
    Case(
        "`OPTIONS` with `Max-Forwards: 0`",
        lambda scene: forwards(scene, "OPTIONS"),
        "not forwarded",
        "RFC 9110 §7.6.2",
    ),
    Case("`TRACE` with `Max-Forwards: 0`", lambda scene: forwards(scene, "TRACE"), "not forwarded", "RFC 9110 §7.6.2"),
]

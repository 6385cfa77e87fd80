"""What HTTP/2 says by frames, and what becomes of it on the other side; the status of gRPC."""

from case import CHUNKED, LENGTH, Case
from h2.errors import ErrorCodes
from two import Client

TITLE = "HTTP/2 and gRPC"

GRPC = [("content-type", "application/grpc"), ("te", "trailers")]
MESSAGE = b"\0\0\0\0\2hi"
REFUSES = "reset or 400"


def told(answer):
    """A client of HTTP/2: the status, or how it ended without one."""
    return answer.status if answer.end == "whole" else answer.end


def malformed(*fields):
    """A request that HTTP/2 forbids."""

    def look(scene):
        exchange = scene.upstream.script(lambda wire, _: wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "")
        with Client(scene.http2) as client:
            seen = told(client.answer(client.ask(exchange.path, *fields)))
            return "passed on" if exchange.head and seen == "200" else seen

    return look


def dies(*says):
    """An upstream of HTTP/1.1 that says this, and is gone."""

    def play(wire, _):
        for part in says:
            wire.send(part)
            wire.is_left(0.05)
        wire.close()

    def look(scene):
        exchange = scene.upstream.script(play, "")
        with Client(scene.http2) as client:
            answer = client.answer(client.ask(exchange.path))
            return "clean end" if answer.end == "whole" and answer.status == "200" else told(answer)

    return look


def reached(scene, play, path=None):
    """A call of gRPC to an upstream of HTTP/2."""
    exchange = scene.two.script(play)
    with Client(scene.http2) as client:
        answer = client.answer(client.ask(path or exchange.path, *GRPC, method="POST", body=MESSAGE))
        return answer, exchange


def call(play, path=None):
    """What the client of a call is told, in the words of gRPC where it is."""

    def look(scene):
        answer, exchange = reached(scene, play, path)
        times = f" (asked {exchange.times} times)" if exchange.times > 1 else ""
        status = answer.value("grpc-status")
        if answer.end != "whole":
            return answer.end + times
        if not status and answer.status == "200":
            return "clean end without a status" + times
        return (f"grpc-status {status}" if status else f"HTTP {answer.status}") + times

    return look


def well(stream, _):
    stream.ended.wait(2)
    stream.head("200", ("content-type", "application/grpc"))
    stream.body(MESSAGE)
    stream.finish(("grpc-status", "0"), ("x-sum", "1"))


def failed(stream, _):
    stream.head("200", ("content-type", "application/grpc"), ("grpc-status", "5"), ends=True)


def resets(error, begun=False):
    def play(stream, exchange):
        if begun:
            stream.head("200", ("content-type", "application/grpc"))
            stream.body(MESSAGE)
            stream.is_left(0.05)
        stream.reset(error)

    return play


def refuses_once(stream, exchange):
    """The first time only."""
    if exchange.times == 1:
        stream.reset(ErrorCodes.REFUSED_STREAM)
    else:
        well(stream, exchange)


def dies_before(stream, _):
    stream.die()


def dies_within(stream, _):
    stream.head("200", ("content-type", "application/grpc"))
    stream.body(MESSAGE)
    stream.is_left(0.05)
    stream.die()


def says_goodbye(stream, exchange):
    """It takes no more, and finishes what it has."""
    stream.say_goodbye()
    stream.is_left(0.1)
    well(stream, exchange)


def trailers(scene):
    answer, _ = reached(scene, well)
    return "pass" if answer.value("x-sum") else "dropped"


def te(scene):
    _, exchange = reached(scene, well)
    return "passed on" if exchange.stream and dict(exchange.stream.fields).get("te") == "trailers" else "removed"


def request_trailers(scene):
    exchange = scene.two.script(well)
    with Client(scene.http2) as client:
        client.answer(client.ask(exchange.path, *GRPC, method="POST", body=MESSAGE, trailers=[("x-sum", "1")]))
        seen = exchange.stream.trailers if exchange.stream else []
        return "pass" if dict(seen).get("x-sum") else "dropped"


FORBIDDEN = "RFC 9113 §8.2.2"
ENDS = "RFC 9113 §8.1"

CASES = [
    Case("A request with `connection: keep-alive`", malformed(("connection", "keep-alive")), REFUSES, FORBIDDEN),
    Case(
        "A request with `transfer-encoding: chunked`", malformed(("transfer-encoding", "chunked")), REFUSES, FORBIDDEN
    ),
    Case("A request with `te: gzip`", malformed(("te", "gzip")), REFUSES, FORBIDDEN),
    Case("A request with a name in upper case", malformed(("X-Own", "1")), REFUSES, "RFC 9113 §8.2.1"),
    Case("A request with another `host` than `:authority`", malformed(("host", "b")), REFUSES, "RFC 9113 §8.3.1"),
    Case("HTTP/1.1 behind it dies before its head", dies(), "502", "R33"),
    Case("HTTP/1.1 behind it dies in a body with a length", dies(LENGTH, "hi"), "reset", ENDS),
    Case("HTTP/1.1 behind it dies in a chunked body", dies(CHUNKED, "2\r\nhi\r\n"), "reset", ENDS),
    Case("gRPC: the status in the trailers", call(well), "grpc-status 0", "R14"),
    Case("gRPC: the status in the head, and nothing more", call(failed), "grpc-status 5", "R14"),
    Case("gRPC: other trailers of the answer", trailers, "pass", "R14"),
    Case("gRPC: trailers of the request", request_trailers, "pass", "R14"),
    Case("gRPC: `te: trailers`", te, "passed on", "R30"),
    Case("gRPC: nobody listens behind it", call(well, path="/closed/0"), "grpc-status 14", "R33"),
    Case("gRPC: the upstream's connection dies before the head", call(dies_before), "grpc-status 14", "R33"),
    Case("gRPC: the upstream's connection dies in the answer", call(dies_within), "reset or grpc-status 14", ENDS),
    Case(
        "gRPC: the upstream resets with `INTERNAL_ERROR` before the head",
        call(resets(ErrorCodes.INTERNAL_ERROR)),
        "grpc-status 14",
        "R33",
    ),
    Case(
        "gRPC: the upstream resets with `CANCEL` before the head",
        call(resets(ErrorCodes.CANCEL)),
        "grpc-status 14",
        "R33",
    ),
    Case(
        "gRPC: the upstream refuses the stream, and takes the next",
        call(refuses_once),
        "grpc-status 0 or grpc-status 14",
        "R33",
    ),
    Case(
        "gRPC: the upstream resets in the answer",
        call(resets(ErrorCodes.INTERNAL_ERROR, True)),
        "reset or grpc-status 14",
        ENDS,
    ),
    Case("gRPC: the upstream says `GOAWAY`, and finishes", call(says_goodbye), "grpc-status 0", "RFC 9113 §6.8"),
]

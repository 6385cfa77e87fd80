"""gRPC through the proxy, with grpcio on both sides.

Covers messages, client deadlines, cancellation and trailers, for unary calls and every streaming kind. How much time
a server has left is grpcio's own reckoning, and so a second opinion on what the proxy passed on. Does not cover the
wire: bytes are compared as grpcio hands them over.
"""

import threading
import time
from concurrent import futures

import grpc

from echo import KINDS, WORK, Server, channel, finish, start, streams_in, streams_out
from harness import Checks, Proxy

# A machine may be busy: what is to happen at once gets this long.
SOON = 5.0
# grpcio rounds what it reads and writes, up, by one part in a hundred at most.
ROUNDING = 1.01

checks = Checks()


def code(kind, call):
    """How a call ended, and how long that took from here."""
    since = time.monotonic()
    try:
        finish(kind, call)
    except grpc.RpcError:
        pass
    except (grpc.FutureCancelledError, futures.CancelledError):
        return grpc.StatusCode.CANCELLED, time.monotonic() - since
    return call.code(), time.monotonic() - since


def messages_pass(server, kind, through):
    sent = [bytes([number]) * 65_536 for number in range(40 if streams_in(kind) else 1)]
    sent = sent if streams_in(kind) else [bytes(range(256)) * 4096]
    server.expect(kind)
    call = start(through, kind, sent, kind)
    got = finish(kind, call)
    first = dict(call.initial_metadata())
    whole = b"".join(got) == b"".join(sent) and first.get("x-first-bin") == bytes(range(256))
    checks.check(f"{kind}: messages pass", whole, f"{len(sent)} out, {len(got)} back, {sum(map(len, got))} bytes")


def answers_interleave(server, through):
    """Each message is sent only once the one before it was answered."""
    server.expect("turns")
    turn, sent = threading.Semaphore(1), 100

    def requests():
        for number in range(sent):
            if not turn.acquire(timeout=SOON):
                return
            yield str(number).encode()

    got = []
    for answer in start(through, "bidirectional", requests(), "turns"):
        got.append(answer)
        turn.release()
    expected = [str(number).encode() for number in range(sent)]
    checks.check("bidirectional: each message is answered before the next", got == expected, f"{len(got)} turns")


def time_falls(front, back, kind, through):
    name, asked = f"{kind} falls", 8.0
    front.expect(name)
    back.expect(name)
    finish(kind, start(through, kind, [b"message"], name, timeout=asked))
    first, second = front.remaining[name], back.remaining[name]
    falls = asked * ROUNDING >= first and (first - WORK) * ROUNDING >= second > asked - SOON
    figures = f"{asked:.3f} s asked, {first:.3f} s and {second:.3f} s left"
    checks.check(f"{kind}: the time left falls at each hop", falls, figures)


def deadline_ends(server, kind, through):
    name, asked = f"{kind} ends", 0.8
    server.expect(name)
    ended, seconds = code(kind, start(through, kind, [b"message"], name, "stall", asked))
    let_go = server.ended[name].wait(SOON)
    passed = ended is grpc.StatusCode.DEADLINE_EXCEEDED and let_go and seconds < asked + SOON
    checks.check(f"{kind}: a client's deadline ends both sides", passed, f"{ended.name} after {seconds:.2f} s")


def default_ends(server, kind, through, limit):
    """The client asks for nothing, so that all time there is comes from the proxy."""
    name = f"{kind} default"
    server.expect(name)
    ended, seconds = code(kind, start(through, kind, [b"message"], name, "stall"))
    left, let_go = server.remaining.get(name), server.ended[name].wait(SOON)
    passed = ended is grpc.StatusCode.DEADLINE_EXCEEDED and let_go and left is not None and 0 < left <= limit * ROUNDING
    figures = f"{ended.name} after {seconds:.2f} s, the server was left {left if left is None else round(left, 3)} s"
    checks.check(f"{kind}: the proxy's default ends both sides", passed, figures)


def cap_holds(server, kind, through, most):
    name = f"{kind} capped"
    server.expect(name)
    finish(kind, start(through, kind, [b"message"], name, timeout=60))
    left = server.remaining[name]
    held, figures = 0 < left <= most * ROUNDING, f"60 s asked, {left:.3f} s granted"
    checks.check(f"{kind}: a client gets no more than the most", held, figures)


def cancel_reaches(server, kind, through):
    name = f"{kind} cancelled"
    server.expect(name)
    call = start(through, kind, [b"message"], name, "stall", 60)
    arrived = server.arrived[name].wait(SOON)
    since = time.monotonic()
    call.cancel()
    let_go = server.ended[name].wait(SOON)
    seconds = time.monotonic() - since
    ended, _ = code(kind, call)
    passed = arrived and let_go and ended is grpc.StatusCode.CANCELLED
    checks.check(f"{kind}: cancelling reaches the server", passed, f"{seconds * 1000:.0f} ms")


def trailers_pass(server, kind, through):
    cases = [("refuse", "without messages"), ("break off", "after messages")]
    for does, where in cases if streams_out(kind) else cases[:1]:
        name = f"{kind} {does}"
        server.expect(name)
        call = start(through, kind, [b"message"], name, does)
        ended, _ = code(kind, call)
        last = dict(call.trailing_metadata())
        same = last.get("x-last") == "two" and last.get("x-last-bin") == bytes(range(255, -1, -1))
        passed = ended is grpc.StatusCode.ABORTED and call.details() == "50 % of π\n" and same
        figures = f"{ended.name} {call.details()!r}, {len(last)} fields"
        checks.check(f"{kind}: trailers pass, {where}", passed, figures)


def main():
    back = Server()
    limit, most = 1.0, 3.0
    with (
        Proxy(back.address) as plain,
        Proxy(back.address, "--timeout", "1s", "--max", "3s") as strict,
    ):
        front = Server(onward=channel(plain))
        with Proxy(front.address) as outer:
            to_back, to_front, to_strict = channel(plain), channel(outer), channel(strict)
            for kind in KINDS:
                for check in [messages_pass, deadline_ends, cancel_reaches, trailers_pass]:
                    with checks.no_error(f"{kind}: {check.__name__}"):
                        check(back, kind, to_back)
                with checks.no_error(f"{kind}: time_falls"):
                    time_falls(front, back, kind, to_front)
                with checks.no_error(f"{kind}: default_ends"):
                    default_ends(back, kind, to_strict, limit)
                with checks.no_error(f"{kind}: cap_holds"):
                    cap_holds(back, kind, to_strict, most)
            with checks.no_error("bidirectional: answers_interleave"):
                answers_interleave(back, to_back)
            for each in [to_back, to_front, to_strict]:
                each.close()
        front.onward.close()
        front.server.stop(0)
        back.server.stop(0)


main()
checks.exit()

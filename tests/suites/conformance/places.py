"""Addresses that are no upstream: one that refuses, one that is rude, and one that never answers."""

import contextlib
import socket
import threading

HOST = "127.0.0.1"


def addresses(running):
    """By the names that configurations have for them."""
    return {"closed": closed(running), "rude": rude(running), "hole": hole(running)}


def closed(running):
    """A port that is taken, and where nobody listens."""
    taken = running.enter_context(socket.socket())
    taken.bind((HOST, 0))
    return address(taken)


def rude(running):
    """A port where whoever comes is shown out, unheard."""
    listener = running.enter_context(socket.create_server((HOST, 0), backlog=128))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()

    threading.Thread(target=serve, daemon=True).start()
    return address(listener)


def hole(running):
    """A port whose queue is full: a connection to it is neither made nor refused."""
    listener = running.enter_context(socket.create_server((HOST, 0), backlog=0))
    for _ in range(4):
        filler = running.enter_context(socket.socket())
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect(listener.getsockname())
    return address(listener)


def address(of):
    return f"{HOST}:{of.getsockname()[1]}"

"""The server behind every proxy, which does for each request what was written for its path, and nothing else."""

import contextlib
import itertools
import socket
import threading

from scripted.wire import PATIENCE, Ended, Wire


class Exchange:
    """A request that is to come, and what came of it."""

    def __init__(self, path, play):
        self.path, self.play = path, play
        self.head = None
        # How often it came.
        self.times = 0
        # The connection that it came over.
        self.wire = None
        # What the play leaves for the client's side to see.
        self.notes = {}
        self._arrived, self._played = threading.Event(), threading.Event()

    def arrives(self, seconds=PATIENCE):
        return self._arrived.wait(seconds)

    def is_played(self, seconds=PATIENCE):
        return self._played.wait(seconds)

    def meet(self, head, wire):
        self.head, self.wire = head, wire
        self.times += 1
        self._arrived.set()
        try:
            self.play(wire, self)
        finally:
            self._played.set()


class Upstream:
    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._exchanges, self._numbers = {}, itertools.count()
        threading.Thread(target=self._serve, daemon=True).start()

    def script(self, play, folder):
        exchange = Exchange(f"/{folder}{next(self._numbers)}", play)
        self._exchanges[exchange.path] = exchange
        return exchange

    def _serve(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._talk, args=[Wire(connection)], daemon=True).start()

    def _talk(self, wire):
        # An idle connection is a proxy's to keep, for as long as all of this lasts.
        wire.connection.settimeout(600)
        with wire, contextlib.suppress(Ended, OSError, LookupError, ValueError):
            while True:
                head = wire.head()
                target = head.line.split(" ")[1]
                self._exchanges[target[target.find("/", 8) if "://" in target else 0 :]].meet(head, wire)
                wire.served += 1

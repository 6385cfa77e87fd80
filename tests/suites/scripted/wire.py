"""HTTP/1.1 as bytes, on both sides of a proxy.

Covers heads, bodies in either framing, and how a connection ended. Refuses nothing: what a proxy lets through is to be
seen.
"""

import contextlib
import socket
import struct
from typing import NamedTuple

PATIENCE = 4


class Ended(Exception):
    """The other side has closed or reset the connection where something was to come."""


class Head(NamedTuple):
    line: str
    fields: list

    def values(self, name):
        return [value for field, value in self.fields if field == name]

    def has(self, name):
        return bool(self.values(name))

    @property
    def status(self):
        return int(self.line.split()[1])


class Wire:
    """One end of a connection."""

    def __init__(self, connection):
        self.connection, self.got = connection, b""
        # How many exchanges it has seen, for a side that counts them.
        self.served = 0
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def to(cls, address):
        return cls(socket.create_connection(address, PATIENCE))

    def send(self, text):
        self.connection.sendall(text.encode("latin-1"))

    def head(self):
        text = self._through(b"\r\n\r\n")[:-4].decode("latin-1")
        line, *rest = text.split("\r\n")
        fields = [field.partition(":") for field in rest]
        return Head(line, [(name.lower(), value.strip(" \t")) for name, _, value in fields])

    def body(self, head):
        """The bytes of it and its trailers. Raises what tells that it is not whole."""
        if "chunked" in "".join(head.values("transfer-encoding")):
            return self._chunks()
        if head.has("content-length"):
            return self.take(int(head.values("content-length")[0])), ""
        return (self.rest(), "") if head.line.startswith("HTTP/") else (b"", "")

    def take(self, count):
        while len(self.got) < count:
            self._more()
        taken, self.got = self.got[:count], self.got[count:]
        return taken

    def some(self):
        """What is there, or comes next."""
        self.wait()
        return self.take(len(self.got))

    def wait(self):
        """For a byte."""
        if not self.got:
            self._more()

    def rest(self):
        """All to the end."""
        with contextlib.suppress(Ended):
            while True:
                self._more()
        return self.take(len(self.got))

    def finish(self):
        """Closes the way out, and leaves the way in open."""
        self.connection.shutdown(socket.SHUT_WR)

    def is_left(self, seconds):
        """Whether the other side goes within this time."""
        self.connection.settimeout(seconds)
        try:
            return not self.connection.recv(1)
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(PATIENCE)

    def close(self):
        self.connection.close()

    def shut(self):
        """Closes both ways, from any thread: also from under one that waits for a byte."""
        self.connection.shutdown(socket.SHUT_RDWR)

    def reset(self):
        """Closes at once, with a RST in the place of a FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _chunks(self):
        whole = b""
        while size := int(self._through(b"\r\n").split(b";")[0], 16):
            whole += self.take(size)
            self.take(2)
        trailers = b""
        while (line := self._through(b"\r\n")) != b"\r\n":
            trailers += line
        return whole, trailers.decode("latin-1").lower()

    def _through(self, end):
        while end not in self.got:
            self._more()
        return self.take(self.got.index(end) + len(end))

    def _more(self):
        try:
            part = self.connection.recv(65_536)
        except ConnectionError as error:
            raise Ended("reset") from error
        if not part:
            raise Ended("closed")
        self.got += part

"""What every row is looked at with: one proxy, and the upstream behind it."""

from typing import Callable, NamedTuple

from scripted.upstream import Upstream
from scripted.wire import Ended, Wire


class Row(NamedTuple):
    name: str
    look: Callable
    # What ours has to be, as a regular expression of the whole cell.
    wanted: str


class Scene(NamedTuple):
    address: tuple
    # Where HTTP/2 is spoken without TLS; another where the proxy cannot speak both on one port.
    http2: tuple
    upstream: Upstream
    # An upstream that speaks HTTP/2, where a suite has one.
    two: object = None

    def ask(self, play, fields="", request="GET", body="", folder="", client=None):
        """A client that has asked for this exchange; over a connection that is there already, if one is given."""
        exchange = self.upstream.script(play, folder)
        client = client or Wire.to(self.address)
        client.send(f"{request} {exchange.path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
        return client, exchange

    def is_ready(self):
        """Whether it knows of its upstream by now."""
        client, _ = self.ask(fine)
        with client:
            return client.head().status == 200

    def cell(self, row):
        """What is seen. That nothing can be seen is seen too."""
        try:
            return row.look(self)
        except TimeoutError:
            return "no answer"
        except Ended as ended:
            return f"{ended} without an answer"
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"


def fine(wire, exchange):
    """The play of an upstream that reads everything, and has nothing to say."""
    _, exchange.notes["trailers"] = wire.body(exchange.head)
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def asked(scene, fields, **more):
    """The head that reaches the upstream, or else the status that the client gets, in words."""
    client, exchange = scene.ask(fine, fields, **more)
    with client:
        answer = client.head()
        return exchange.head, "" if exchange.head else str(answer.status)

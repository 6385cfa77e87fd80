"""HTTP/2 on both sides of a proxy, in the clear and with prior knowledge.

Covers a client with one stream at a time, and an upstream whose plays act on a stream. Its library writes what it is
told, also what is wrong, and its frames are those of RFC 9113.
"""

import contextlib
import itertools
import socket
import threading

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import InvalidBodyLengthError, ProtocolError
from hyperframe.frame import GoAwayFrame
from scripted.wire import PATIENCE, Ended

AS_TOLD = {
    "header_encoding": "latin-1",
    "normalize_outbound_headers": False,
    "validate_inbound_headers": False,
    "validate_outbound_headers": False,
}


def code(number):
    try:
        return ErrorCodes(number).name
    except ValueError:
        return str(number)


class Answer:
    """What came of a request."""

    def __init__(self):
        self.interim, self.fields, self.trailers, self.data = [], [], [], b""
        # `whole`, `reset (CODE)`, or `closed`.
        self.end = ""

    @property
    def status(self):
        return dict(self.fields).get(":status", "")

    def value(self, name):
        """A field's, of the head or of the trailers."""
        return dict([*self.fields, *self.trailers]).get(name, "")


class Client:
    def __init__(self, address):
        self.connection = socket.create_connection(address, PATIENCE)
        self.h2 = H2Connection(H2Configuration(client_side=True, **AS_TOLD))
        self.h2.initiate_connection()
        self._flush()
        # The first thing that the other side says.
        self._next()

    def ask(self, path, *fields, method="GET", body=b"", trailers=(), ends=True):
        """The number of the stream."""
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)]
        has_more = bool(body or trailers or not ends)
        self.h2.send_headers(stream, [*pseudo, *fields], end_stream=not has_more)
        if body:
            self.h2.send_data(stream, body, end_stream=ends and not trailers)
        if trailers:
            self.h2.send_headers(stream, list(trailers), end_stream=True)
        self._flush()
        return stream

    def answer(self, stream, until=None):
        """All of it, or what is there once `until` says that it is enough."""
        answer = Answer()
        while not answer.end and not (until and until(answer)):
            for event in self._next():
                self._take(answer, stream, event)
        return answer

    def reset(self, stream):
        self.h2.reset_stream(stream, ErrorCodes.CANCEL)
        self._flush()

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _take(self, answer, stream, event):
        match event:
            case events.InformationalResponseReceived(stream_id=of) if of == stream:
                answer.interim.append(dict(event.headers)[":status"])
            case events.ResponseReceived(stream_id=of) if of == stream:
                answer.fields = event.headers
            case events.TrailersReceived(stream_id=of) if of == stream:
                answer.trailers = event.headers
            case events.DataReceived(stream_id=of) if of == stream:
                answer.data += event.data
            case events.StreamEnded(stream_id=of) if of == stream:
                answer.end = "whole"
            case events.StreamReset(stream_id=of) if of == stream:
                answer.end = f"reset ({code(event.error_code)})"
            case events.ConnectionTerminated() if event.error_code:
                answer.end = f"reset (GOAWAY, {code(event.error_code)})"
            case None:
                answer.end = "closed"

    def _next(self):
        """Events, or a `None` where the connection has ended."""
        try:
            received = self.connection.recv(65_536)
        except ConnectionError:
            received = b""
        if not received:
            return [None]
        try:
            return self.h2.receive_data(received)
        except InvalidBodyLengthError:
            # It says that this is the end, and it is too soon.
            return [events.StreamEnded(stream_id=self.h2.highest_outbound_stream_id)]
        except ProtocolError as error:
            raise ValueError(error) from error
        finally:
            self._flush()

    def _flush(self):
        with contextlib.suppress(ConnectionError):
            self.connection.sendall(self.h2.data_to_send())


class Stream:
    """What a play acts on."""

    def __init__(self, talk, number, fields):
        self.number, self.fields = number, fields
        self.data, self.trailers = b"", []
        self.ended, self.gone = threading.Event(), threading.Event()
        # How it was left.
        self.left = ""
        self._talk = talk

    def head(self, status="200", *fields, ends=False):
        self._send("send_headers", [(":status", status), *fields], end_stream=ends)

    def body(self, data, ends=False):
        self._send("send_data", data, end_stream=ends)

    def finish(self, *trailers):
        self._send("send_headers", list(trailers), end_stream=True)

    def reset(self, error):
        self._send("reset_stream", error)

    def say_goodbye(self):
        self._talk.goodbye(self.number)

    def die(self):
        """The connection, and all of its streams."""
        self._talk.close()

    def is_left(self, seconds):
        return self.gone.wait(seconds)

    def _send(self, what, *said, **more):
        self._talk.do(lambda h2: getattr(h2, what)(self.number, *said, **more))


class Exchange:
    def __init__(self, path, play):
        self.path, self.play, self.times, self.notes = path, play, 0, {}
        self.stream = None
        self._arrived, self._played = threading.Event(), threading.Event()

    def arrives(self, seconds=PATIENCE):
        return self._arrived.wait(seconds)

    def is_played(self, seconds=PATIENCE):
        return self._played.wait(seconds)

    def meet(self, stream):
        self.stream = stream
        self.times += 1
        self._arrived.set()
        with contextlib.suppress(OSError, ProtocolError, Ended):
            self.play(stream, self)
        self._played.set()


class Talk:
    """One connection of a proxy's."""

    def __init__(self, connection, exchanges):
        self._connection, self._exchanges, self._streams = connection, exchanges, {}
        self._lock = threading.Lock()
        self._h2 = H2Connection(H2Configuration(client_side=False, **AS_TOLD))

    def run(self):
        self.do(lambda h2: h2.initiate_connection())
        with contextlib.suppress(OSError, ProtocolError):
            while received := self._connection.recv(65_536):
                self.do(lambda h2: [self._take(event) for event in h2.receive_data(received)])
        for stream in self._streams.values():
            self._leave(stream, "closed")

    def do(self, what):
        with self._lock:
            try:
                what(self._h2)
            finally:
                self._connection.sendall(self._h2.data_to_send())

    def goodbye(self, last):
        """By hand: its library would do no more after it."""
        frame = GoAwayFrame(0, last_stream_id=last)
        with self._lock:
            self._connection.sendall(frame.serialize())

    def close(self):
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _take(self, event):
        stream = self._streams.get(getattr(event, "stream_id", None))
        match event:
            case events.RequestReceived():
                self._begin(event)
            case events.DataReceived() if stream:
                stream.data += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case events.TrailersReceived() if stream:
                stream.trailers = event.headers
            case events.StreamEnded() if stream:
                stream.ended.set()
            case events.StreamReset() if stream:
                self._leave(stream, code(event.error_code))

    def _begin(self, event):
        stream = self._streams[event.stream_id] = Stream(self, event.stream_id, event.headers)
        exchange = self._exchanges[dict(event.headers)[":path"]]
        threading.Thread(target=exchange.meet, args=[stream], daemon=True).start()

    @staticmethod
    def _leave(stream, how):
        stream.left = stream.left or how
        stream.gone.set()


class Two:
    """The upstream that speaks HTTP/2, with a play for each path."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._exchanges, self._numbers = {}, itertools.count()
        threading.Thread(target=self._serve, daemon=True).start()

    def script(self, play):
        exchange = Exchange(f"/two/{next(self._numbers)}", play)
        self._exchanges[exchange.path] = exchange
        return exchange

    def _serve(self):
        while True:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Talk(connection, self._exchanges).run, daemon=True).start()

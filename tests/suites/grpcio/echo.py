"""An echo over gRPC, of unary calls and of every streaming kind: its server and its calls.

A server keeps account of each call by the name that the call gives itself. Judges nothing.
"""

import threading
import time
from concurrent import futures

import grpc

KINDS = ["unary", "client streaming", "server streaming", "bidirectional"]
OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
# What a hop does before it calls the next one.
WORK = 0.5


def streams_in(kind):
    return kind in ("client streaming", "bidirectional")


def streams_out(kind):
    return kind in ("server streaming", "bidirectional")


class Server:
    """Answers with what it was sent, by way of the next server where there is one."""

    def __init__(self, onward=None):
        self.onward = onward
        # By the name of a call: how much time was left at its arrival, and what happened to it.
        self.remaining, self.arrived, self.ended = {}, {}, {}
        self.server = grpc.server(futures.ThreadPoolExecutor(32))
        handlers = {kind.replace(" ", ""): self._handler(kind) for kind in KINDS}
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Echo", handlers)])
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def expect(self, name):
        self.arrived[name], self.ended[name] = threading.Event(), threading.Event()

    def _handler(self, kind):
        def messages(request, context):
            return self._serve(kind, request if streams_in(kind) else iter([request]), context)

        def message(request, context):
            return b"".join(messages(request, context))

        makers = {
            "unary": grpc.unary_unary_rpc_method_handler,
            "client streaming": grpc.stream_unary_rpc_method_handler,
            "server streaming": grpc.unary_stream_rpc_method_handler,
            "bidirectional": grpc.stream_stream_rpc_method_handler,
        }
        return makers[kind](messages if streams_out(kind) else message)

    def _serve(self, kind, requests, context):
        said = {key: value for key, value in context.invocation_metadata() if key in ("name", "does")}
        name, does = said["name"], said["does"]
        self.remaining[name] = context.time_remaining()
        self.arrived[name].set()
        context.add_callback(self.ended[name].set)
        if does == "stall":
            self.ended[name].wait(30)
        elif does == "refuse":
            self._refuse(context)
        elif self.onward is not None:
            time.sleep(WORK)
            yield from finish(kind, start(self.onward, kind, requests, name, does, context.time_remaining()))
        else:
            yield from self._echo(kind, requests, does, context)

    def _echo(self, kind, requests, does, context):
        context.send_initial_metadata([("x-first", "one"), ("x-first-bin", bytes(range(256)))])
        for request in requests:
            # A server that streams without being streamed to says it in parts.
            parts = 4 if kind == "server streaming" else 1
            size = len(request) // parts
            yield from (request[at : at + size] for at in range(0, len(request), size))
        if does == "break off":
            self._refuse(context)

    def _refuse(self, context):
        context.set_trailing_metadata([("x-last", "two"), ("x-last-bin", bytes(range(255, -1, -1)))])
        context.abort(grpc.StatusCode.ABORTED, "50 % of π\n")


def start(channel, kind, requests, name, does="echo", timeout=None):
    makers = {
        "unary": channel.unary_unary,
        "client streaming": channel.stream_unary,
        "server streaming": channel.unary_stream,
        "bidirectional": channel.stream_stream,
    }
    method = makers[kind](f"/Echo/{kind.replace(' ', '')}")
    method = method if streams_out(kind) else method.future
    request = iter(requests) if streams_in(kind) else next(iter(requests))
    return method(request, timeout=timeout, metadata=[("name", name), ("does", does)])


def finish(kind, call):
    return list(call) if streams_out(kind) else [call.result()]


def channel(proxy):
    return grpc.insecure_channel(proxy.address, options=OPTIONS)

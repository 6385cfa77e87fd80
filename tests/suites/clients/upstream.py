"""A server that keeps account of what it saw.

Covers an echo, an answer in parts with pauses between them, and bodies of either framing. Judges nothing.
"""

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PARTS, PAUSE = 5, 0.25
TEXT = b"0123456789abcdef" * 1024


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self._note(b"")
        if "/parts" in self.path:
            self._answer_in_parts()
        else:
            self._answer(TEXT)

    def do_POST(self):
        body = self._body()
        self._note(body)
        self._answer(body)

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return whole

    def _note(self, body):
        fields = [(name.lower(), value) for name, value in self.headers.items()]
        noted = {"method": self.command, "target": self.path, "version": self.request_version, "fields": fields}
        self.server.note({**noted, "body": hashlib.sha256(body).hexdigest()})

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer_in_parts(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(PARTS):
            if number:
                time.sleep(PAUSE)
            self.wfile.write(f"7\r\npart {number}\n\r\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        """Says nothing."""


class Upstream(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server_port}"
        self._seen, self._lock = [], threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Says nothing of connections that are reset once they are idle."""

    def note(self, request):
        with self._lock:
            self._seen.append(request)

    def take(self):
        """What was seen since the last time."""
        with self._lock:
            seen, self._seen = self._seen, []
            return seen

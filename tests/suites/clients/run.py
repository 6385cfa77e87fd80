"""Real HTTP clients through the program: curl, h2load, Node, the JDK, Python.

Covers a read, a write of known and of unknown length, and an answer in parts that must not be held back, and for each
what the upstream saw: the request as it was asked, less time than was asked for, and nothing that concerned the
client's connection. Does not cover TLS.
"""

import hashlib
import http.client
import json
import pathlib
import re
import shutil
import subprocess
import time

from harness import Checks, Proxy
from upstream import PARTS, PAUSE, TEXT, Upstream

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 60
# What every request asks for, in milliseconds.
ASKED = 20_000
SIZE = 65_536
BODY = TEXT[:16] * (SIZE // 16)
IN_PARTS = "".join(f"part {number}\n" for number in range(PARTS)).encode()
# What concerns one connection and must not cross.
OF_THE_CONNECTION = {"connection", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings"}

# The method, the target, the framing of the request's body, and the body of the answer.
REQUESTS = {
    "a read": ("GET", "/whole?a=1&b=%20c;d", "none", TEXT),
    "an answer in parts": ("GET", "/parts", "none", IN_PARTS),
    "a write": ("POST", "/write?x", "length", BODY),
    "a write in parts": ("POST", "/write", "chunked", BODY),
}

checks = Checks()


def digest(body):
    return hashlib.sha256(body).hexdigest()


def printed(*command, **options):
    ran = subprocess.run([str(word) for word in command], timeout=LIMIT, capture_output=True, **options)
    if ran.returncode != 0:
        raise RuntimeError(f"exit code {ran.returncode}: {ran.stderr.decode(errors='replace').strip()[-300:]}")
    return ran.stdout


def curl(version):
    def client(proxy, method, target, framing):
        command = ["curl", "-sSN", "--noproxy", "*", version, "--max-time", LIMIT, "-X", method]
        command += ["-H", f"X-Request-Timeout: {ASKED}ms", f"http://{proxy.address}{target}"]
        # curl adds a field of its own to a larger body, and waits for leave to send it.
        command += ["-H", "Expect:", "--data-binary", "@-"] if method == "POST" else []
        command += ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" and version != PRIOR else []
        # What is left of the output after the body.
        command += ["-w", r"\n%{http_code} %{time_starttransfer} %{time_total}"]
        body, _, figures = printed(*command, input=BODY if method == "POST" else b"").rpartition(b"\n")
        status, first, last = figures.split()
        return {"status": int(status), "body": digest(body), "first": float(first), "last": float(last)}

    return client


PRIOR = "--http2-prior-knowledge"


def node(which):
    def client(proxy, method, target, framing):
        asked = [which, f"http://{proxy.address}", method, target, f"{ASKED}ms", SIZE, framing]
        return json.loads(printed("node", HERE / "node.mjs", *asked))

    return client


def java(proxy, method, target, framing):
    size = 0 if framing == "none" else SIZE
    asked = [f"http://{proxy.address}", method, target, f"{ASKED}ms", size, framing]
    return json.loads(printed("java", HERE / "Client.java", *asked))


def python(proxy, method, target, framing):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=LIMIT)
    body = {"none": None, "length": BODY, "chunked": (BODY[at : at + 8192] for at in range(0, SIZE, 8192))}[framing]
    start = time.monotonic()
    fields = {"X-Request-Timeout": f"{ASKED}ms"}
    connection.request(method, target, body, fields, encode_chunked=framing == "chunked")
    response = connection.getresponse()
    parts, first = b"", None
    while part := response.read1():
        first = first or time.monotonic() - start
        parts += part
    last = time.monotonic() - start
    connection.close()
    return {"status": response.status, "body": digest(parts), "first": first, "last": last}


CLIENTS = {
    "curl, HTTP/1.1": ("curl", curl("--http1.1")),
    "curl, HTTP/2": ("curl", curl(PRIOR)),
    "curl, upgrade to h2c": ("curl", curl("--http2")),
    "Node, fetch": ("node", node("fetch")),
    "Node, http2": ("node", node("http2")),
    "JDK, HttpClient": ("java", java),
    "Python, http.client": ("python3", python),
}


def complaints(seen, got, method, target, framing, answer):
    """What is wrong with an exchange, from both ends of it."""
    if got["status"] != 200 or got["body"] != digest(answer):
        yield f"answered {got['status']}, and not with what was to come"
    if answer is IN_PARTS and got["last"] - got["first"] < PAUSE * (PARTS - 1) / 2:
        yield f"held back: first byte at {got['first']:.2f} s of {got['last']:.2f} s"
    if len(seen) != 1:
        yield f"{len(seen)} requests came out of one"
        return
    (request,) = seen
    fields = [name for name, _ in request["fields"]]
    if (request["method"], request["target"]) != (method, target):
        yield f"the upstream saw {request['method']} {request['target']}"
    if request["body"] != digest(b"" if framing == "none" else BODY):
        yield "the upstream saw another body"
    if crossed := OF_THE_CONNECTION.intersection(fields):
        yield f"the upstream saw {', '.join(sorted(crossed))}"
    if repeated := {name for name in fields if fields.count(name) > 1}:
        yield f"the upstream saw more than one {', '.join(sorted(repeated))}"
    left = re.fullmatch(r"(\d+)ms", dict(request["fields"]).get("x-request-timeout", ""))
    # What is left is cut off, and some has passed.
    if not left or not 0 < int(left[1]) < ASKED:
        yield "the upstream was told no deadline, or not what is left"


def exchange(client, name, proxy, upstream):
    for what, (method, target, framing, answer) in REQUESTS.items():
        with checks.no_error(f"{name}: {what}"):
            upstream.take()
            got = client(proxy, method, target, framing)
            wrong = list(complaints(upstream.take(), got, method, target, framing, answer))
            figures = f"first byte after {got['first'] * 1000:.0f} ms, last after {got['last'] * 1000:.0f} ms"
            checks.check(f"{name}: {what}", not wrong, "; ".join(wrong) or figures)


def load(version, proxy, upstream):
    """Many at once, over a few connections."""
    name, asked = f"h2load, {'HTTP/1.1' if version else 'HTTP/2'}: 2000 reads", 2000
    upstream.take()
    command = ["h2load", *version, "-n", asked, "-c", 4, "-m", 1 if version else 10, "-T", 30]
    command += ["-H", f"x-request-timeout: {ASKED}ms", f"http://{proxy.address}/whole"]
    with checks.no_error(name):
        said = printed(*command).decode()
        good = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
        rate = re.search(r"finished in .*", said)
        seen = upstream.take()
        crossed = {field for request in seen for field, _ in request["fields"]} & OF_THE_CONNECTION
        passed = good is not None and good.groups() == (str(asked), "0", "0", "0") and len(seen) == asked
        passed = passed and not crossed and "status codes: 2000 2xx" in said
        checks.check(name, passed, rate[0] if passed else f"{said}; {len(seen)} came, {sorted(crossed)} crossed")


def main():
    upstream = Upstream()
    with Proxy(upstream.address) as proxy:
        for name, (program, client) in CLIENTS.items():
            if shutil.which(program):
                exchange(client, name, proxy, upstream)
            else:
                checks.skip(name, f"{program} is not on this machine")
        if shutil.which("h2load"):
            load(["--h1"], proxy, upstream)
            load([], proxy, upstream)
        else:
            checks.skip("h2load", "it is not on this machine")
    checks.exit()


main()

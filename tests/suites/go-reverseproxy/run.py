"""Go's own tests of its reverse proxy, run against the program.

Covers those that ask something of a proxy, and not of Go's interface to its own. Their text is the installed Go's,
patched in memory and laid over it for one run; ReverseProxy.ServeHTTP is replaced by relay_test.go.
"""

import json
import pathlib
import re
import subprocess
import tempfile

from harness import Checks

ASKED = """
TestReverseProxy TestReverseProxyStripHeadersPresentInConnection TestReverseProxyStripEmptyConnection
TestXForwardedFor TestReverseProxyQuery TestReverseProxyFlushInterval TestReverseProxyFlushIntervalHeaders
TestReverseProxyCancellation TestNilBody TestUserAgentHeader TestReverseProxy_Post TestReverseProxyWebSocket
TestReverseProxyWebSocketCancellation TestReverseProxy_PanicClosesIncomingBody
TestReverseProxyQueryParameterSmugglingDirectorDoesNotParseForm
""".split()

# What is asked of Go's proxy and cannot be asked of another, with the reason.
NOT_ASKED = {"TestUnannouncedTrailer": "an HTTP/1.1 trailer that was not announced is not passed on"}

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

# Where the tests are about Go's proxy, and not about proxies.
PATCHES = [
    # A field that concerns one connection, instead of one that Go is told does.
    ('fakeHopHeader = "X-Fake-Hop-Header-For-Test"', 'fakeHopHeader = "Keep-Alive"'),
    # Announced, or it would not be passed on.
    ('"Trailer", "X-Trailer")', '"Trailer", "X-Trailer, X-Unannounced-Trailer")'),
    ('(http.Header{"X-Trailer": nil})', '(http.Header{"X-Trailer": nil, "X-Unannounced-Trailer": nil})'),
    # A handshake that may be checked: Go's tests have no key in theirs.
    (
        'req.Header.Set("Upgrade", "websocket")\n',
        'req.Header.Set("Upgrade", "websocket")\n'
        f'\treq.Header.Set("Sec-WebSocket-Key", "{KEY}")\n'
        '\treq.Header.Set("Sec-WebSocket-Version", "13")\n',
    ),
    (r"Upgrade: WebSocket\r\n\r\n", rf"Upgrade: WebSocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"),
]

SERVE = "func (p *ReverseProxy) ServeHTTP("


def overlay(place, folder):
    """Which files of Go's are replaced by which, as `go test -overlay` takes it."""
    package = pathlib.Path(go("env", "GOROOT").strip(), "src/net/http/httputil")
    code = (package / "reverseproxy.go").read_text()
    tests = (package / "reverseproxy_test.go").read_text()
    code = replaced(code, SERVE, SERVE.replace("ServeHTTP", "serveHTTPByGo"))
    for find, replace in PATCHES:
        tests = replaced(tests, find, replace)
    (folder / "code.go").write_text(code)
    (folder / "tests.go").write_text(tests)
    files = {
        "reverseproxy.go": folder / "code.go",
        "reverseproxy_test.go": folder / "tests.go",
        "relay_test.go": place / "relay_test.go",
    }
    described = folder / "overlay.json"
    described.write_text(json.dumps({"Replace": {str(package / name): str(path) for name, path in files.items()}}))
    return described


def replaced(text, find, replace):
    if find not in text:
        raise LookupError(f"this version of Go has none with `{find.strip()}`")
    return text.replace(find, replace)


def go(*words):
    return subprocess.run(["go", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        try:
            described = overlay(pathlib.Path(__file__).resolve().parent, pathlib.Path(folder))
        except LookupError as other:
            checks.skip("Go's tests", other)
            return
        # `go vet` does not see what is laid over.
        command = ["go", "test", "-vet=off", f"-overlay={described}", "-timeout=180s", "-v"]
        command += [f"-run=^({'|'.join(ASKED)})$", "net/http/httputil"]
        printed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    ended = {name: (how, took) for how, name, took in re.findall(r"^--- (\w+): (\w+) \((.*)\)$", printed, re.M)}
    said = re.findall(r"^=== RUN +(\w+)\n((?:    .*\n)*)", printed, re.M)
    why = {name: "; ".join(re.sub(r"^\s*\S+:\d+: ", "", line) for line in lines.splitlines()) for name, lines in said}
    for name in ASKED:
        how, took = ended.get(name, ("did not end", ""))
        checks.check(name, how == "PASS", took if how == "PASS" else f"{how}: {why.get(name) or 'nothing said'}")
    for name, reason in NOT_ASKED.items():
        checks.skip(name, reason)
    if not ended:
        print(printed)
    checks.exit()


main()

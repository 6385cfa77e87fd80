"""Requests that two parties could read differently."""

from scripted.scene import Row, asked

CHUNKS = "2\r\nhi\r\n0\r\n\r\n"


def coding(scene):
    head, refused = asked(scene, "Transfer-Encoding: gzip, chunked\r\n", request="POST", body=CHUNKS)
    return refused or f"passed as {', '.join(head.values('transfer-encoding')) or 'none'}"


def both(scene):
    fields = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
    head, refused = asked(scene, fields, request="POST", body=CHUNKS)
    framing = [name for name in ["content-length", "transfer-encoding"] if head and head.has(name)]
    return refused or f"passed with {' and '.join(framing)}"


def lengths(scene):
    head, refused = asked(scene, "Content-Length: 2\r\nContent-Length: 3\r\n", request="POST", body="hi!")
    return refused or f"passed as {', '.join(head.values('content-length'))}"


def hosts(scene):
    head, refused = asked(scene, "Host: b\r\n")
    return refused or f"passed as {', '.join(head.values('host'))}"


def control(scene):
    head, refused = asked(scene, "X-Own: a\x01b\r\n")
    return refused or ("passed" if "\x01" in "".join(head.values("x-own")) else "passed without it")


ROWS = [
    Row("`Transfer-Encoding: gzip, chunked`", coding, "400|501"),
    # R35: hyper drops the length, and closes after the answer.
    Row("`Content-Length` beside `chunked`", both, "400|passed with (content-length|transfer-encoding)"),
    Row("Two different `Content-Length`", lengths, "400"),
    Row("Two `Host`", hosts, "400"),
    Row("A control character in a value", control, "400"),
]

"""As much of HTTP/2 as an extended CONNECT takes (RFC 8441).

Covers one stream, fields that are sent as they are, and the status of an answer. Windows stay as they were made.
"""

import struct

from scripted.wire import Wire

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
ENABLE_CONNECT_PROTOCOL = 8
# RFC 7541, appendix A: the statuses that have a number.
STATUS = dict(zip(range(8, 15), [200, 204, 206, 304, 400, 404, 500]))


class Http2:
    def __init__(self, address):
        self.wire = Wire.to(address)
        self.wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self._send(SETTINGS, 0, 0, b"")
        payload = self._until(SETTINGS, 0)[1]
        self.settings = dict(struct.iter_unpack(">HI", payload))
        self._send(SETTINGS, ACK, 0, b"")

    def connects(self):
        return self.settings.get(ENABLE_CONNECT_PROTOCOL) == 1

    def ask(self, fields):
        """The status of the answer, or none where the stream is reset."""
        block = b"".join(b"\0" + text(name) + text(value) for name, value in fields)
        self._send(HEADERS, END_HEADERS, 1, block)
        kind, payload, flags = self._until(HEADERS, 1)
        return status(payload, flags) if kind == HEADERS else None

    def send(self, data, flags=0):
        self._send(DATA, flags, 1, data)

    def some(self):
        """The next data of the stream."""
        kind, payload, _ = self._until(DATA, 1)
        return payload if kind == DATA else b""

    def _send(self, kind, flags, stream, payload):
        head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
        self.wire.connection.sendall(head + payload)

    def _until(self, wanted, stream):
        """The next frame of this kind, or one that ends its stream."""
        while True:
            head = self.wire.take(9)
            kind, flags, of = struct.unpack(">BBI", head[3:])
            payload = self.wire.take(int.from_bytes(head[:3], "big"))
            if kind == PING and not flags & ACK:
                self._send(PING, ACK, 0, payload)
            elif kind == SETTINGS and wanted != SETTINGS and not flags & ACK:
                self._send(SETTINGS, ACK, 0, b"")
            elif kind == GOAWAY or (of == stream and kind in (wanted, RESET) and not (kind == SETTINGS and flags)):
                return kind, payload, flags

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()


def text(value):
    """Short, and as it is."""
    return bytes([len(value)]) + value.encode()


def status(block, flags):
    """That of a response, whose first field it has to be (RFC 9113, section 8.3)."""
    block = block[(1 if flags & PADDED else 0) + (5 if flags & PRIORITY else 0) :]
    while block[0] & 0xE0 == 0x20:
        # A change of the table, which holds nothing.
        block = block[1:]
    if block[0] & 0x80:
        return STATUS[block[0] & 0x7F]
    length = block[1] & 0x7F
    digits = block[2 : 2 + length]
    return int(huffman(digits) if block[1] & 0x80 else digits)


def huffman(digits):
    """RFC 7541, appendix B, of digits alone."""
    bits = "".join(f"{byte:08b}" for byte in digits)
    codes = {f"{digit:05b}" if digit < 3 else f"{0b011001 + digit - 3:06b}": str(digit) for digit in range(10)}
    said = ""
    while code := next((code for code in codes if bits.startswith(code)), None):
        said += codes[code]
        bits = bits[len(code) :]
    return said

"""A WebSocket client that does what it is told, also the forbidden: frames are built byte by byte,
and what comes back is taken apart without judging it. Blocking sockets with a deadline."""

import base64
import os
import socket
import ssl
import struct

from process import DEADLINE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY = b"\x37\xfa\x21\x3d"  # of RFC 6455's own example


def masked(payload, key=KEY):
    if not payload:
        return b""
    repeated = (key * (len(payload) // 4 + 1))[:len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


def frame(opcode, payload=b"", *, fin=True, rsv=0, key=KEY, length_bytes=None, announce=None):
    """One frame. `key=None`: not masked. `length_bytes`: 0, 2 or 8, also where fewer would do.
    `announce`: the length that the header tells instead of the payload's own."""
    length = len(payload) if announce is None else announce
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length <= 0xFFFF else 8
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    short = {0: length, 2: 126, 8: 127}[length_bytes]
    header = bytes([first, short | (0x80 if key is not None else 0)])
    header += {0: b"", 2: struct.pack("!H", length & 0xFFFF), 8: struct.pack("!Q", length)}[length_bytes]
    if key is None:
        return header + payload
    return header + key + masked(payload, key)


def close_payload(code, reason=b""):
    return struct.pack("!H", code) + reason


def upgrade_request(host, target="/ws", *, method="GET", version="HTTP/1.1", drop=(), **headers):
    """The text of a handshake; header names are written with `_` for `-`."""
    wanted = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade",
              "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
              "Sec-WebSocket-Version": "13"}
    wanted.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"{method} {target} {version}"]
    lines += [f"{name}: {value}" for name, value in wanted.items() if name not in drop]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class Gone(Exception):
    """The server closed or reset the connection."""


class RawSocket:
    """Bytes to and from a port of this machine."""
    tls = None  # a context: all of them speak TLS

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.socket = self.tls.wrap_socket(self.socket, server_hostname="localhost")
        self._host = f"127.0.0.1:{port}"
        self._buffer = bytearray()

    @classmethod
    def over(cls, connected):
        """The same on a socket that is there."""
        client = cls.__new__(cls)
        client.socket, client._host, client._buffer = connected, "localhost", bytearray()
        return client

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        try:
            part = self.socket.recv(1 << 20)
        except (ConnectionResetError, ssl.SSLEOFError):
            raise Gone("reset") from None
        if not part:
            raise Gone("end")
        self._buffer += part

    def take(self, count):
        while len(self._buffer) < count:
            self._more()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def take_through(self, mark):
        while (at := self._buffer.find(mark)) < 0:
            self._more()
        return self.take(at + len(mark))

    def rest(self):
        """Everything to the end of the connection."""
        try:
            while True:
                self._more()
        except Gone:
            return self.take(len(self._buffer))

    def respond(self, request):
        """Sends an HTTP request; (status, headers with lower-case names)."""
        self.send(request)
        return self.response()

    def response(self):
        lines = self.take_through(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value for name, value in headers.items()}

    def upgrade(self, target="/ws", **changes):
        status, headers = self.respond(upgrade_request(self._host, target, **changes))
        assert status == 101, f"refused: {status} {headers}"
        return self

    def request(self, target="/ws", **changes):
        return upgrade_request(self._host, target, **changes)

    def receive(self):
        """The next frame as (first byte, payload)."""
        first, second = self.take(2)
        assert not second & 0x80, "a server must not mask"
        length = second
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
            assert length >= 126, "the length is not written in its shortest form"
        elif length == 127:
            (length,) = struct.unpack("!Q", self.take(8))
            assert length > 0xFFFF, "the length is not written in its shortest form"
        return first, self.take(length)

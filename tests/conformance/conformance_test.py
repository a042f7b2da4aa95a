#!/usr/bin/python3
"""Plays a group of cases.py on conformance-echo: conformance_test.py GROUP"""

import socket
import struct
import sys

from cases import GROUPS
from echo import Echo
from raw_websocket import CLOSE, PING, PONG, Gone, RawSocket, close_payload, frame

FIN = 0x80
LAST_PING = b"nothing more came"


class Wrong(Exception):
    """What came back is not what the case says."""


def shown(first, payload):
    return f"frame {first:#04x} of {len(payload)} bytes {payload[:40]!r}"


def expect(client, opcode, payload):
    first, came = client.receive()
    if first != FIN | opcode or came != payload:
        raise Wrong(f"{shown(first, came)} came, expected {shown(FIN | opcode, payload)}")


def expect_close(client, closed):
    first, payload = client.receive()
    if first != FIN | CLOSE:
        raise Wrong(f"{shown(first, payload)} came, expected to be closed with {closed}")
    code = "empty" if not payload else struct.unpack("!H", payload[:2])[0]
    if code != closed:
        raise Wrong(f"closed with {code} {payload[2:]!r}, expected {closed}")
    payload[2:].decode()
    if rest := client.rest():
        raise Wrong(f"{rest[:40]!r} behind the close frame")


def expect_open(client):
    client.send(frame(PING, LAST_PING))
    expect(client, PONG, LAST_PING)
    client.send(frame(CLOSE, close_payload(1000)))
    expect_close(client, 1000)


def send_in_pieces(client, data, size):
    try:
        for at in range(0, len(data), size):
            client.send(data[at:at + size])
    except (BrokenPipeError, ConnectionResetError):
        pass  # it had enough; what it said to that is still to be read


def play(port, case, size):
    with RawSocket(port) as client:
        client.upgrade("/")
        send_in_pieces(client, case.sends, size)
        for opcode, payload in case.frames:
            expect(client, opcode, payload)
        if case.closed is None:
            expect_open(client)
        else:
            expect_close(client, case.closed)


def main():
    failed = count = 0
    with Echo() as echo:
        for case in GROUPS[sys.argv[1]]():
            for size in (len(case.sends), *case.pieces):
                count += 1
                try:
                    play(echo.port, case, size)
                except (Wrong, Gone, UnicodeDecodeError, AssertionError, socket.timeout) as error:
                    failed += 1
                    print(f"{case.name}, {size} bytes a write: {type(error).__name__}: {error}")
    print(f"{count} cases, {failed} failed")
    if failed or not count:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

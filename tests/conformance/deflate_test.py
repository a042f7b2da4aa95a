#!/usr/bin/python3
"""permessage-deflate byte by byte: what is negotiated, what is sent, what is refused. zlib is the judge."""

import struct
import unittest
import zlib

from echo import Echo
from raw_websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, close_payload, frame)

MIB = 1024 * 1024
LARGEST = 64 * MIB  # what conformance-echo takes
FIN, RSV1 = 0x80, 0x40
TAIL = b"\x00\x00\xff\xff"
TERMS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
PRICES = ('{"type":"price_update","ticker":"005930","name":"삼성전자"}' * 20).encode()


def deflated(data, window_bits=15, level=6):
    deflater = zlib.compressobj(level, zlib.DEFLATED, -window_bits)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def inflated(data):
    return zlib.decompressobj(-15).decompress(data + TAIL)


class DeflateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.echo = cls.enterClassContext(Echo())

    def offer(self, *offers):
        client = self.enterContext(RawSocket(self.echo.port))
        request = client.request("/").removesuffix(b"\r\n")
        request += b"".join(f"Sec-WebSocket-Extensions: {offer}\r\n".encode() for offer in offers) + b"\r\n"
        status, headers = client.respond(request)
        return client, status, headers.get("sec-websocket-extensions")

    def connect(self, offer="permessage-deflate"):
        client, status, answer = self.offer(offer)
        self.assertEqual(status, 101)
        self.assertIsNotNone(answer)
        return client

    def expect_message(self, client, opcode, payload):
        first, came = client.receive()
        if first & RSV1:
            came = inflated(came)
        self.assertEqual((first & ~RSV1, came), (FIN | opcode, payload))
        return bool(first & RSV1)

    def expect_close(self, client, code):
        first, payload = client.receive()
        self.assertEqual(first, FIN | CLOSE)
        self.assertEqual(struct.unpack("!H", payload[:2])[0], code, payload[2:])
        self.assertEqual(client.rest(), b"")

    def test_what_is_answered(self):
        window = "server_max_window_bits"
        for offers, answer in (
                (["permessage-deflate"], TERMS),
                (["permessage-deflate; client_max_window_bits"], TERMS),
                ([f'permessage-deflate; {window}="10"; client_max_window_bits=9'], f"{TERMS}; {window}=10"),
                ([f"foo, permessage-deflate; {window}=7", f"permessage-deflate; {window}=15"],
                 f"{TERMS}; {window}=15"),
                (["foo"], None), ([f"permessage-deflate; {window}"], None), ([], None)):
            _, status, answered = self.offer(*offers)
            self.assertEqual((status, answered), (101, answer), offers)
        self.assertEqual(self.offer("permessage-deflate;;")[1], 400)

    def test_both_directions(self):
        client = self.connect()
        for opcode, data in ((TEXT, PRICES), (BINARY, bytes(range(256)) * 10), (TEXT, PRICES * 1000)):
            client.send(frame(opcode, deflated(data), rsv=4))
            self.assertTrue(self.expect_message(client, opcode, data), "it was worth it")

    def test_each_message_stands_alone(self):
        client = self.connect()
        sizes = []
        for _ in range(3):
            client.send(frame(TEXT, deflated(PRICES), rsv=4))
            first, came = client.receive()
            self.assertTrue(first & RSV1)
            self.assertEqual(inflated(came), PRICES)
            sizes.append(len(came))
        self.assertEqual(len(set(sizes)), 1, "no context is taken over")

    def test_every_window_and_level_of_the_client(self):
        client = self.connect("permessage-deflate; client_max_window_bits")
        for window_bits in range(9, 16):
            for level in range(10):
                client.send(frame(TEXT, deflated(PRICES * 40, window_bits, level), rsv=4))
                self.expect_message(client, TEXT, PRICES * 40)

    def test_a_client_with_a_small_window_gets_plain_frames(self):
        client = self.connect("permessage-deflate; server_max_window_bits=9")
        client.send(frame(TEXT, deflated(PRICES), rsv=4))
        self.assertFalse(self.expect_message(client, TEXT, PRICES))

    def test_what_is_not_worth_it_stays_plain(self):
        client = self.connect()
        for data in (b"", b"hello"):
            client.send(frame(TEXT, deflated(data) or b"\0", rsv=4))
            self.assertFalse(self.expect_message(client, TEXT, data))

    def test_plain_and_deflated_may_mix(self):
        client = self.connect()
        client.send(frame(TEXT, b"plain") + frame(TEXT, deflated(PRICES), rsv=4) + frame(BINARY, b"\xff"))
        self.expect_message(client, TEXT, b"plain")
        self.expect_message(client, TEXT, PRICES)
        self.expect_message(client, BINARY, b"\xff")

    def test_fragments_with_a_ping_between_them(self):
        whole = deflated(PRICES)
        for size in (1, 7, len(whole) - 1):
            client = self.connect()
            parts = [whole[at:at + size] for at in range(0, len(whole), size)]
            client.send(frame(TEXT, parts[0], fin=False, rsv=4) + frame(PING, b"between"))
            for i, part in enumerate(parts[1:], 2):
                client.send(frame(CONTINUATION, part, fin=i == len(parts)))
            self.assertEqual(client.receive(), (FIN | PONG, b"between"))
            self.expect_message(client, TEXT, PRICES)

    def test_byte_by_byte(self):
        client = self.connect()
        for byte in frame(TEXT, deflated(PRICES), rsv=4):
            client.send(bytes([byte]))
        self.expect_message(client, TEXT, PRICES)

    def test_what_does_not_inflate_is_refused(self):
        cut = deflated(PRICES)[:-3]
        for broken in (b"", b"\xff\xff\xff", cut, deflated(PRICES) + b"\x07"):
            client = self.connect()
            client.send(frame(TEXT, broken, rsv=4))
            self.expect_close(client, 1002)

    def test_utf8_is_asked_of_what_comes_out(self):
        client = self.connect()
        client.send(frame(TEXT, deflated(PRICES + b"\xed\xa0\x80"), rsv=4))
        self.expect_close(client, 1007)

    def test_the_bit_means_nothing_elsewhere(self):
        for sends in (frame(PING, b"", rsv=4), frame(CLOSE, close_payload(1000), rsv=4),
                      frame(TEXT, deflated(PRICES)[:9], fin=False, rsv=4) + frame(CONTINUATION, b"", rsv=4),
                      frame(TEXT, b"", rsv=6), frame(TEXT, b"", rsv=5)):
            client = self.connect()
            client.send(sends)
            self.expect_close(client, 1002)

    def test_without_an_agreement_it_is_a_protocol_error(self):
        client, status, _ = self.offer("foo")
        self.assertEqual(status, 101)
        client.send(frame(TEXT, deflated(PRICES), rsv=4))
        self.expect_close(client, 1002)

    def test_a_bomb_goes_no_further_than_ten_times_the_limit(self):
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        part = bytes(MIB)
        bomb = b"".join(deflater.compress(part) for _ in range(10 * LARGEST // MIB + 1))
        bomb += deflater.flush(zlib.Z_SYNC_FLUSH).removesuffix(TAIL)
        client = self.connect()
        client.send(frame(BINARY, bomb, rsv=4))
        self.expect_close(client, 1009)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""What only shows on real sockets: bursts, slow readers, and closing."""

import json
import select
import struct
import threading
import unittest

from host import Host, mirror
from process import DEADLINE
from raw_websocket import CLOSE, PING, PONG, TEXT, RawSocket, frame

BURST = 2000
TEXT_OF_4K = "x" * 4000


def subscribed(host, *topics, receive_buffer=None):
    """An open socket whose `connected` and `subscribed` have been read."""
    client = RawSocket(host.port, receive_buffer=receive_buffer)
    client.upgrade(host.path + "?subscribe=" + ",".join(topics))
    for _ in range(1 + len(topics)):
        client.receive()
    return client


def publications(client):
    """Sequence numbers up to the close frame, and its code."""
    seqs = []
    while True:
        first, payload = client.receive()
        if first == 0x80 | CLOSE:
            return seqs, struct.unpack("!H", payload[:2])[0]
        message = json.loads(payload)
        if "seq" in message:
            seqs.append(message["seq"])


class SocketsTest(unittest.TestCase):
    def start(self, **sections):
        host = self.enterContext(Host({"broadcasters": mirror(), **sections}))
        host.wait_until_started("mirror")
        return host

    def publish(self, host, topic, count, text=TEXT_OF_4K):
        for _ in range(count):
            while host.publish(topic, {"type": "burst", "text": text})[0] == 503:
                pass

    def test_a_reader_that_reads_is_not_closed_by_a_burst_of_many_outboxes(self):
        host = self.start()
        with subscribed(host, "signal:vcp") as client:
            threading.Thread(target=self.publish, args=(host, "signal:vcp", BURST), daemon=True).start()
            seqs = [json.loads(client.receive()[1])["seq"] for _ in range(BURST)]
            self.assertEqual(seqs, list(range(1, BURST + 1)))

    def test_a_slow_reader_of_an_all_topic_is_closed_and_counted(self):
        host = self.start()
        with subscribed(host, "signal:vcp", receive_buffer=4096):
            self.publish(host, "signal:vcp", 20, "x" * 200_000)
            host.stop()
            self.assertRegex(host.log(), r"\b1 slow readers closed")

    def test_a_reader_that_was_stalled_gets_the_newest_and_few_of_those_before(self):
        host = self.start()
        with subscribed(host, "price:005930", receive_buffer=4096) as client:
            self.publish(host, "price:005930", 40, "x" * 100_000)
            seqs = []
            while not seqs or seqs[-1] < 40:
                seqs.append(json.loads(client.receive()[1])["seq"])
            self.assertEqual(seqs, sorted(seqs))
            self.assertLess(len(seqs), 20, "conflated in the outbox, not queued in the kernel")

    def test_a_slot_that_was_moved_forward_is_kept(self):
        host = self.start(server={"threads": 1})
        with subscribed(host, "price:005930") as client, subscribed(host, "price:005930") as witness:
            def ask(rate):
                client.send(frame(TEXT, json.dumps({"type": "subscribe", "topic": "price:005930", "max_rate": rate,
                                                    "snapshot": False}).encode()))
                return json.loads(client.receive()[1])["seq"]

            ask(0.001)
            for seq in (1, 2, 3):  # one at a time, or the newest supersedes those before it
                self.publish(host, "price:005930", 1)
                self.assertEqual(json.loads(witness.receive()[1])["seq"], seq)
            self.assertEqual(json.loads(client.receive()[1])["seq"], 1)
            self.assertEqual(ask(0.2), 2)
            self.assertEqual(json.loads(client.receive()[1])["seq"], 3, "though nothing else happens on its shard")

    def test_a_reader_of_nothing_at_all_is_closed_by_the_write_stall(self):
        host = self.start(limits={"write_stall": "1s"})
        with subscribed(host, "price:005930", receive_buffer=4096) as client:
            self.publish(host, "price:005930", 20, "x" * 100_000)
            reset = select.poll()
            reset.register(client.socket, 0)  # errors only: nothing is read
            self.assertTrue(reset.poll(DEADLINE * 1000))

    def test_at_shutdown_a_reader_that_reads_gets_everything_then_1001(self):
        host = self.start(server={"drain": "30s"})
        with subscribed(host, "signal:vcp", receive_buffer=64 * 1024) as client:
            self.publish(host, "signal:vcp", 10, "x" * 90_000)
            host.terminate()
            host.wait_for_line("SIGTERM: stopping")
            seqs, code = publications(client)
            self.assertEqual((seqs, code), (list(range(1, 11)), 1001))
            client.send(frame(CLOSE, struct.pack("!H", 1001)))
            host.expect_end()

    def test_who_answers_the_close_frame_is_not_waited_for(self):
        host = self.start(server={"drain": "30s"}, limits={"write_stall": "10m"})
        with subscribed(host, "signal:vcp") as client:
            host.terminate()
            self.assertEqual(publications(client), ([], 1001))
            client.send(frame(TEXT, b'{"type":"ping"}') + frame(CLOSE, struct.pack("!H", 1001)))
            host.expect_end()

    def test_a_handshake_that_ends_during_a_shutdown_is_no_connection(self):
        # One shard: another one may still welcome clients, and say goodbye to them, when this one closes.
        host = self.start(server={"drain": "30s", "threads": 1}, limits={"handshake": "1h"})
        request = b"GET " + host.path.encode() + b"?subscribe=signal:vcp HTTP/1.1\r\nHost: x\r\n"
        with subscribed(host, "signal:vcp") as open_one:
            halves = [self.enterContext(RawSocket(host.port)) for _ in range(8)]
            for half in halves:
                half.send(request)
            host.terminate()
            self.assertEqual(publications(open_one), ([], 1001))
            for half in halves:
                try:
                    half.send(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                except ConnectionError:
                    continue  # it still stood in the backlog
                self.assertNotIn(b" 101 ", half.rest())
            open_one.send(frame(CLOSE, struct.pack("!H", 1001)))
            host.expect_end()

    def test_of_many_pings_in_one_read_the_newest_is_answered(self):
        host = self.start()
        with subscribed(host, "signal:vcp") as client:
            client.send(b"".join(frame(PING, str(i).encode()) for i in range(1000)))
            answers = []
            while not answers or answers[-1] != b"999":
                first, payload = client.receive()
                self.assertEqual(first, 0x80 | PONG)
                answers.append(payload)
            self.assertLess(len(answers), 1000)

    def test_half_a_frame_is_no_sign_of_life(self):
        beats = {"heartbeat": {"permissions": ["clients"], "config": {"interval": "100ms", "timeout": "1s"}}}
        with Host({"broadcasters": beats}) as host, RawSocket(host.port) as client:
            client.upgrade(host.path)
            whole = frame(TEXT, b'{"type":"pong"}')
            first = 0
            for byte in whole[:-1]:  # a byte a message from the host: it never becomes a frame
                client.send(bytes([byte]))
                first, payload = client.receive()
                if first == 0x80 | CLOSE:
                    break
            while first != 0x80 | CLOSE:
                first, payload = client.receive()
            self.assertEqual(struct.unpack("!H", payload[:2])[0], 4408)

    def test_a_subscription_a_topic_of_two_hundred_is_no_flood(self):
        host = self.start()
        with subscribed(host, "signal:vcp") as client:
            client.send(b"".join(frame(TEXT, json.dumps(
                {"type": "subscribe", "topic": f"price:{number:06}"}).encode()) for number in range(200)))
            for _ in range(200):
                self.assertEqual(json.loads(client.receive()[1])["type"], "subscribed")


if __name__ == "__main__":
    unittest.main()

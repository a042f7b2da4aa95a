#!/usr/bin/python3
"""Every key of `limits`: who meets it gets a clear answer, and the operator a number under its name."""

import json
import re
import select
import struct
import time
import unittest

from host import Host, mirror
from process import DEADLINE
from raw_websocket import CLOSE, TEXT, RawSocket, frame

PRICE = "price:005930"


class LimitsTest(unittest.TestCase):
    def start(self, **limits):
        config = {"broadcasters": mirror(), "server": {"threads": 1}, "limits": limits}
        host = self.enterContext(Host(config))
        host.wait_until_started("mirror")
        return host

    def connect(self, host, *topics, receive_buffer=None):
        client = self.enterContext(RawSocket(host.port, receive_buffer=receive_buffer))
        client.upgrade(host.path + ("?subscribe=" + ",".join(topics) if topics else ""))
        for _ in range(1 + len(topics)):
            client.receive()
        return client

    def ask(self, client, **command):
        client.send(frame(TEXT, json.dumps(command).encode()))
        return json.loads(client.receive()[1])

    def counted(self, host, limit, times=1):
        """The client may know a moment before the number is there."""
        pattern = rf'^broadcast_limit_reached_total\{{limit="{limit}"\}} (\d+)$'
        until = time.monotonic() + DEADLINE
        while True:
            found = re.search(pattern, host.metrics(), re.MULTILINE)
            self.assertIsNotNone(found, f"limits.{limit} has no metric")
            if int(found.group(1)) >= times:
                return
            self.assertLess(time.monotonic(), until, f"limits.{limit} counted {found.group(1)}")

    def close_code(self, client):
        while True:
            first, payload = client.receive()
            if first == 0x80 | CLOSE:
                return struct.unpack("!H", payload[:2])[0]

    def test_message(self):
        host = self.start(message="1KiB")
        client = self.connect(host)
        client.send(frame(TEXT, b"x" * 1025))
        self.assertEqual(self.close_code(client), 1009)
        self.counted(host, "message")

    def test_outbox(self):
        host = self.start(outbox="64KiB", publish="16KiB")
        client = self.connect(host, "signal:vcp", receive_buffer=4096)
        while True:  # as much as its kernel takes, and then what waits
            status, answer = host.publish("signal:vcp", {"type": "burst", "text": "x" * 16_000})
            if status == 200 and answer["subscribers"] == 0:
                break
        self.counted(host, "outbox")

    def test_publish(self):
        host = self.start(publish="2KiB")
        status, answer = host.publish(PRICE, {"type": "burst", "text": "x" * 2048})
        self.assertEqual((status, answer["error"]), (413, "too_large"))
        self.assertIn("limits.publish", answer["message"])
        self.counted(host, "publish")

    def test_write_stall(self):
        host = self.start(write_stall="200ms")
        client = self.connect(host, PRICE, receive_buffer=4096)
        for _ in range(20):
            host.publish(PRICE, {"type": "burst", "text": "x" * 100_000})
        reset = select.poll()
        reset.register(client.socket, 0)  # errors only: nothing is read
        self.assertTrue(reset.poll(DEADLINE * 1000))
        self.counted(host, "write_stall")

    def test_handshake(self):
        host = self.start(handshake="500ms")
        client = self.enterContext(RawSocket(host.port))
        client.send(b"GET /ws HTTP/1.1\r\n")
        self.assertEqual(client.rest(), b"")
        self.counted(host, "handshake")

    def test_a_request_that_comes_with_the_deadline_does_no_harm(self):
        host = self.start(handshake="500ms")
        clients = [self.enterContext(RawSocket(host.port)) for _ in range(300)]
        request = clients[0].request(host.path, X_Filling="x" * 2000)  # more than is read at first
        self.assertEqual(clients[0].rest(), b"")  # its time is over, and so is that of the others
        for client in clients[1:]:
            try:
                client.send(request)
            except OSError:
                pass  # closed already
        self.connect(host)
        self.counted(host, "handshake")

    def test_a_client_that_is_closed_at_once_was_told_101_before(self):
        host = self.start(outbox="16KiB", publish="4KiB")
        for number in range(60):
            host.publish(f"price:{number:06}", {"type": "burst", "text": "x" * 64})
        topics = ",".join(f"price:{number:06}" for number in range(120))
        client = self.enterContext(RawSocket(host.port))
        client.send(client.request(f"{host.path}?subscribe={topics}"))
        self.assertEqual(client.response()[0], 101)

    def test_topics(self):
        host = self.start(topics=2, topics_per_connection=2, topics_per_request=2)
        client = self.connect(host, "price:000001", "price:000002")
        other = self.connect(host)
        answer = self.ask(other, type="subscribe", topic="price:000003")
        self.assertEqual((answer["type"], answer["code"]), ("error", "too_many_topics"))
        self.counted(host, "topics")
        self.assertEqual(self.ask(client, type="list")["type"], "subscriptions")

    def test_topics_per_connection(self):
        host = self.start(topics_per_connection=1, topics_per_request=1)
        client = self.connect(host, PRICE)
        answer = self.ask(client, type="subscribe", topic="price:000660")
        self.assertEqual(answer["code"], "too_many_topics")
        self.assertIn("1 topics", answer["message"])
        self.counted(host, "topics_per_connection")

    def test_topics_per_request(self):
        host = self.start(topics_per_request=1)
        client = self.connect(host)
        answer = self.ask(client, type="subscribe", topics=[PRICE, "price:000660"])
        self.assertEqual(answer["code"], "too_many_topics")
        self.counted(host, "topics_per_request")

    def test_topic_name(self):
        host = self.start(topic_name=12)
        client = self.connect(host, PRICE)
        answer = self.ask(client, type="subscribe", topic="price:0059300")
        self.assertEqual(answer["code"], "invalid_topic")
        self.assertIn("13 bytes", answer["message"])
        self.counted(host, "topic_name")

    def test_commands_per_second(self):
        host = self.start(commands_per_second=1)
        client = self.connect(host)
        answers = [self.ask(client, type="ping") for _ in range(3)]
        refused = [answer for answer in answers if answer["type"] == "error"]
        self.assertEqual(refused[0]["code"], "rate_limited")
        self.assertGreater(refused[0]["retry_after_ms"], 0)
        self.counted(host, "commands_per_second", len(refused))

    def test_connections(self):
        host = self.start(connections=1)
        self.connect(host)
        client = self.enterContext(RawSocket(host.port))
        status, headers = client.respond(client.request(host.path))
        self.assertEqual((status, headers["retry-after"]), (503, "1"))
        self.assertIn(b"limits.connections", client.rest())
        self.counted(host, "connections")

    def test_connections_per_address(self):
        host = self.start(connections_per_address=1)
        self.connect(host)
        client = self.enterContext(RawSocket(host.port))
        status, _ = client.respond(client.request(host.path))
        self.assertEqual(status, 503)
        self.assertIn(b"limits.connections_per_address", client.rest())
        self.counted(host, "connections_per_address")

    def test_a_visitor_of_the_page_does_not_take_the_place_of_its_socket(self):
        host = self.enterContext(Host({"broadcasters": mirror(), "server": {"demo_page": True},
                                       "limits": {"connections_per_address": 1}}))
        visitor = self.enterContext(RawSocket(host.port))
        status, _ = visitor.respond(visitor.request("/", drop=("Upgrade", "Connection")))
        self.assertEqual(status, 200)
        self.connect(host)  # while that one is still open

    def test_handshakes(self):
        host = self.start(handshakes=1, handshake="30s")
        silent = self.enterContext(RawSocket(host.port))
        self.counted(host, "handshakes")
        waiting = self.enterContext(RawSocket(host.port))
        waiting.send(waiting.request(host.path))
        silent.socket.close()
        self.assertEqual(waiting.response()[0], 101)
        self.connect(host)

    def test_accepts_per_second_makes_the_others_wait_and_loses_none(self):
        host = self.start(accepts_per_second=2)
        begun = time.monotonic()
        clients = [self.enterContext(RawSocket(host.port)) for _ in range(5)]  # in the kernel's backlog
        for client in clients:
            client.send(client.request(host.path))
        self.assertEqual([client.response()[0] for client in clients], [101] * 5)
        self.assertGreater(time.monotonic() - begun, 0.9, "three at once, and two that wait half a second each")
        self.counted(host, "accepts_per_second")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""Great numbers: subscriptions, and clients that come and go. With fewer of them where every byte is checked."""

import json
import os
import time
import unittest

from host import Host, mirror
from process import DEADLINE
from raw_websocket import TEXT, RawSocket, frame

SUBSCRIBERS = int(os.environ["BROADCAST_SUBSCRIBERS"])
TOPICS = [f"price:{number:06}" for number in range(1000)]  # times a thousand subscribers: a million
VISITORS = 25


class NumbersTest(unittest.TestCase):
    def start(self, **limits):
        host = self.enterContext(Host({"broadcasters": mirror(), "limits": limits}))
        host.wait_until_started("mirror")
        return host

    def connect(self, host):
        client = self.enterContext(RawSocket(host.port)).upgrade(host.path)
        client.receive()
        return client

    def wait_for(self, is_so):
        until = time.monotonic() + DEADLINE
        while not is_so():
            self.assertLess(time.monotonic(), until)

    def test_a_million_subscriptions_are_served_and_go(self):
        host = self.start(topics_per_request=len(TOPICS))
        asked = frame(TEXT, json.dumps({"type": "subscribe", "topics": TOPICS}).encode())
        clients = [self.connect(host) for _ in range(SUBSCRIBERS)]
        for client in clients:
            client.send(asked)
            self.assertTrue(client.receive()[1].endswith(b'"rejected":[]}'))
        self.assertIn(f"broadcast_subscriptions {SUBSCRIBERS * len(TOPICS)}\n", host.metrics())
        for topic in (TOPICS[0], TOPICS[-1]):
            status, answer = host.publish(topic, {"type": "price_update"})
            self.assertEqual((status, answer["subscribers"]), (200, SUBSCRIBERS))
        for client in clients:
            self.assertEqual([json.loads(client.receive()[1])["topic"] for _ in range(2)], [TOPICS[0], TOPICS[-1]])
            client.socket.close()
        self.wait_for(lambda: "broadcast_subscriptions 0\n" in host.metrics())

    def test_those_who_come_and_go_leave_no_descriptor_and_no_thread(self):
        host = self.start()

        def held():
            return [len(os.listdir(f"/proc/{host.pid}/{what}")) for what in ("fd", "task")]

        def visit():
            visitors = [RawSocket(host.port).upgrade(host.path + "?subscribe=signal:vcp") for _ in range(VISITORS)]
            host.publish("signal:vcp", {"type": "x"})
            self.assertEqual(host.post("/v1/broadcasters/mirror/replace")[0], 200)
            for visitor in visitors:
                visitor.socket.close()
            self.wait_for(lambda: "broadcast_connections 0\n" in host.metrics())
        visit()
        self.wait_for(lambda: host.metrics() and (first := held()) == held() and first)
        before = held()
        for _ in range(10):
            visit()
        self.wait_for(lambda: all(now <= then for now, then in zip(held(), before)))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""limits.memory: what clients make the host hold is known, those who hold most go first, and a crowd leaves nothing behind."""

import json
import os
import re
import struct
import time
import unittest

from host import Host, mirror
from process import DEADLINE
from raw_websocket import CLOSE, TEXT, RawSocket, frame

IS_SANITIZED = bool(os.environ.get("BROADCAST_SANITIZED"))
WHY_NOT_SANITIZED = "a sanitizer's allocator keeps what was freed, and adds to what is used"
TOPICS = [f"price:{number:06}" for number in range(1000)]
BATCH = 125
MIB = 1 << 20
HELD = "broadcast_client_memory_bytes"


class MemoryTest(unittest.TestCase):
    def start(self, **limits):
        limits = {"memory": "4GiB", "commands_per_second": 0, "topics_per_address": 0, "work_per_address": 0,
                  "write_stall": "1h", **limits}
        host = self.enterContext(Host({"broadcasters": mirror(), "server": {"threads": 2}, "limits": limits}))
        host.wait_until_started("mirror")
        return host

    def connect(self, host):
        client = self.enterContext(RawSocket(host.port, receive_buffer=4096))
        client.upgrade(host.path)
        client.receive()
        return client

    def say(self, client, **command):
        client.send(frame(TEXT, json.dumps(command, separators=(",", ":")).encode()))

    def subscribe(self, client, topics=TOPICS, **more):
        """How many commands that were."""
        for first in range(0, len(topics), BATCH):
            self.say(client, type="subscribe", topics=topics[first:first + BATCH], snapshot=False, **more)
        return -(-len(topics) // BATCH)

    def metric(self, host, name):
        return float(re.search(rf"^{re.escape(name)} (\S+)$", host.metrics(), re.MULTILINE).group(1))

    def wait_for(self, what, value, is_good):
        until = time.monotonic() + DEADLINE
        while not is_good(found := value()):
            self.assertLess(time.monotonic(), until, f"{what}: {found}")
        return found

    def wait_until_heard(self, host, messages, metric, least):
        """And until the shards have added up what they hold by that."""
        self.wait_for("messages", lambda: self.metric(host, "broadcast_messages_received_total"), lambda n: n >= messages)
        self.wait_for(metric, lambda: self.metric(host, metric), lambda n: n >= least)

    def rss(self, host):
        with open(f"/proc/{host.pid}/status", encoding="ascii") as file:
            return 1024 * int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def ask_for_lists(self, host, count, **how):
        """A crowd that asks for its list and does not read the answers; how many messages that are."""
        said = 0
        crowd = [self.connect(host) for _ in range(count)]
        for number, client in enumerate(crowd):
            try:
                said += self.subscribe(client)
                for answer in range(8):
                    self.say(client, type="list", **({"id": f"{number}-{answer}"} if how.get("ids") else {}))
                    said += 1
            except OSError:  # it was closed already
                pass
        return crowd, said

    def test_those_who_hold_most_are_closed_first(self):
        host = self.start(memory="16MiB")
        modest = [self.connect(host) for _ in range(20)]
        for client in modest:
            self.subscribe(client, TOPICS[:20])
        crowd, _ = self.ask_for_lists(host, 30, ids=True)
        self.wait_for("closed", lambda: self.metric(host, 'broadcast_connections_closed_total{reason="memory"}'), lambda n: n >= 10)
        self.assertGreaterEqual(self.metric(host, 'broadcast_limit_reached_total{limit="memory"}'), 10)
        self.wait_for("held", lambda: self.metric(host, HELD), lambda n: n <= 12 * MIB)
        self.assertEqual(self.metric(host, "broadcast_client_memory_limit_bytes"), 16 * MIB)
        host.wait_for_line(r"warning.* connection closed \(memory\): .*4413 holds too much memory")
        for client in modest:
            self.assertEqual(json.loads(client.receive()[1])["type"], "subscribed")
            self.say(client, type="ping")
            self.assertEqual(json.loads(client.receive()[1])["type"], "pong")
        self.assertLess(self.metric(host, 'broadcast_connections_closed_total{reason="memory"}'), len(crowd), "no more than need be")

    def test_who_is_closed_for_what_it_subscribed_to_is_told_why(self):
        host = self.start(memory="1MiB", topics_per_connection=2048)
        client = self.connect(host)
        for batch in range(12):
            self.say(client, type="subscribe", topics=self.patterns(batch))
        while True:
            first, payload = client.receive()
            if first == 0x80 | CLOSE:
                break
        self.assertEqual((struct.unpack("!H", payload[:2])[0], payload[2:]), (4413, b"holds too much memory"))

    @unittest.skipIf(IS_SANITIZED, WHY_NOT_SANITIZED)
    def test_lists_that_are_the_same_are_held_once(self):
        host = self.start()
        self.subscribe(self.connect(host))  # so that all topics are there
        before = self.rss(host)
        _, said = self.ask_for_lists(host, 30)
        self.wait_until_heard(host, said, "broadcast_pending_bytes", 15 * MIB)
        self.assertLess(self.metric(host, HELD), self.metric(host, "broadcast_pending_bytes") / 2)
        self.expect_known(host, before)

    def patterns(self, batch, size=128):
        return [f"price:{batch * size + number:06}{'0' * 230}:*" for number in range(size)]

    @unittest.skipIf(IS_SANITIZED, WHY_NOT_SANITIZED)
    def test_patterns_are_held_by_those_who_have_them(self):
        host = self.start()
        before = self.rss(host)
        crowd = [self.connect(host) for _ in range(20)]
        for number, client in enumerate(crowd):
            for batch in range(8):
                self.say(client, type="subscribe", topics=self.patterns(8 * number + batch), snapshot=False)
        self.wait_until_heard(host, 8 * len(crowd), HELD, 10 * MIB)
        self.expect_known(host, before)

    @unittest.skipIf(IS_SANITIZED, WHY_NOT_SANITIZED)
    def test_rates_are_held_by_those_who_have_them(self):
        host = self.start()
        self.subscribe(self.connect(host))
        before = self.rss(host)
        crowd = [self.connect(host) for _ in range(50)]
        said = sum(self.subscribe(client, max_rate=1) for client in crowd)
        self.wait_until_heard(host, said, HELD, 10 * MIB)
        self.expect_known(host, before)

    def expect_known(self, host, before):
        """What the process has grown by is what limits.memory looks at."""
        grown = self.rss(host) - before
        self.assertLess(grown, 1.5 * self.metric(host, HELD))

    @unittest.skipIf(IS_SANITIZED, WHY_NOT_SANITIZED)
    def test_a_client_that_has_asked_for_nothing_costs_little(self):
        host = self.start(handshakes=600, handshake="1h")

        def hold_the_door(count):
            descriptors = len(os.listdir(f"/proc/{host.pid}/fd"))
            for _ in range(count):
                self.enterContext(RawSocket(host.port)).send(b"GET /ws HTTP/1.1\r\nHost: ")
            self.wait_for("descriptors", lambda: len(os.listdir(f"/proc/{host.pid}/fd")), lambda n: n >= descriptors + count)
            return self.rss(host)

        before = hold_the_door(100)  # what it needs but once
        header = 2048
        self.assertLess((hold_the_door(300) - before) / 300, 4096 + header)

    @unittest.skipIf(IS_SANITIZED, WHY_NOT_SANITIZED)
    def test_a_crowd_that_has_left_leaves_nothing_behind(self):
        host = self.start()
        before = self.rss(host)
        crowd, said = self.ask_for_lists(host, 100, ids=True)
        self.wait_until_heard(host, said, HELD, 60 * MIB)
        self.assertGreater(self.rss(host), before + 60 * MIB)
        for client in crowd:
            client.socket.close()
        self.wait_for("resident", lambda: self.rss(host) / before, lambda ratio: ratio <= 1.2)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""Thousands of subscribers, a broadcaster that is replaced ten times, and three that behave badly: a broadcaster that
throws, one that is stuck in a callback, and fifty clients that do not read. Everybody else gets everything."""

import os
import threading
import unittest

from host import Host, mirror, test_plugin
from process import Process

MANY_READERS = os.environ["BROADCAST_MANY_READERS"]
HEALTHY = int(os.environ["BROADCAST_READERS"])
STALLED = 50
ROUNDS = 50
TICKERS = [f"price:{number:06}" for number in range(1, 17)]
TOPICS = ["signal:vcp", *TICKERS, "market:kospi", "market:kosdaq", "market-gate"]  # the last gives way to a heavy one
HEAVY_ALL = "signal:daytrading"
HEAVY_LATEST = "price:999999"
HEAVY = "x" * 100_000


class ManyReaders(Process):
    def __init__(self, host):
        super().__init__(MANY_READERS, str(host.port), host.path, str(HEALTHY), str(STALLED), ",".join(TOPICS),
                         HEAVY_ALL, HEAVY_LATEST)

    def __enter__(self):
        return self


class LoadTest(unittest.TestCase):
    def publish(self, host, topic, **payload):
        # 503 is the host's cue to slow down; a producer tries again.
        while (answer := host.publish(topic, {"type": "load", **payload}))[0] == 503:
            self.assertEqual(answer[1]["error"], "unavailable")
        self.assertEqual(answer[0], 200, answer)
        return answer[1]

    def throw(self, host):
        status, answer = host.publish("fenced:log", '{"do":"throw"}')
        self.assertEqual(status, 503, answer)

    def test_the_healthy_see_everything(self):
        stuck, release = os.pipe()
        config = {"limits": {"write_stall": "10m", "handshake": "1m"},
                  "broadcasters": {**mirror(), **test_plugin("fenced"), **test_plugin("probe", "probe.so")}}
        with Host(config, pass_fds=[stuck]) as host:
            for name in ("mirror", "fenced", "probe"):
                host.wait_until_started(name)
            with ManyReaders(host) as readers:
                readers.wait_for_line("^subscribed$")
                sleeper = threading.Thread(target=host.publish, args=("probe:x", {"do": "stuck", "fd": stuck}))
                sleeper.start()
                self.throw(host)
                for turn in range(1, ROUNDS + 1):
                    last = turn == ROUNDS
                    for topic in TOPICS:
                        answer = self.publish(host, topic, turn=turn, last=last)
                    self.assertEqual(answer["subscribers"], HEALTHY)
                    if turn % 5 == 0:
                        self.assertEqual(host.post("/v1/broadcasters/mirror/replace")[0], 200)
                    for topic in (HEAVY_ALL, HEAVY_LATEST):
                        self.publish(host, topic, turn=turn, last=last, text=HEAVY)
                served = int(readers.wait_for_line(r"^served (\d+) messages$").group(1))
                self.assertGreaterEqual(served, HEALTHY * len(TOPICS))
                self.throw(host)
                readers.say("resume")
                newest, closed = map(int, readers.wait_for_line(
                    r"^stalled: (\d+) got the newest, (\d+) were closed$").groups())
                self.assertEqual((newest, closed), (STALLED // 2, STALLED // 2))
                readers.expect_end()
            self.assertEqual(host.publish("probe:x", {})[0], 504, "it is still in its callback")
            os.write(release, b"x")
            sleeper.join()
            host.wait_for_line(r"fenced.*exception in MESSAGE")
            host.stop()
            self.assertRegex(host.log(), rf"\b{STALLED // 2} slow readers closed")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""The real host with the real price broadcaster, and a server that behaves as Kiwoom's does."""

import asyncio
import os
import re
import time
import unittest

from host import Host
from kiwoom_stand_in import APP_KEY, SECRET_KEY, KiwoomStandIn
from subscriber import Subscriber

SOAK_SECONDS = float(os.environ.get("BROADCAST_SOAK_SECONDS", "5"))
IS_SANITIZED = bool(os.environ.get("BROADCAST_SANITIZED"))  # whose allocator keeps what is freed
TRADE = {"10": "-71000", "11": "-500", "12": "-0.70", "13": "1000", "27": "-71100", "28": "-71000"}


def prices(*sources, **config):
    return {"broadcasters": {"price": {"config": {"tickers": ["005930"], "sources": list(sources), **config}}}}


def anonymous_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"RssAnon:\s+(\d+)", status.read())[1])


class KiwoomTest(unittest.IsolatedAsyncioTestCase):
    def start(self, kiwoom, *kinds, **config):
        host = self.enterContext(Host(prices(*(kiwoom.source(kind) for kind in kinds), **config)))
        self.addCleanup(self.expect_no_secrets, host)
        return host

    def expect_no_secrets(self, host):
        for secret in (APP_KEY, SECRET_KEY, "token-"):
            self.assertNotIn(secret, host.log())

    async def connect(self, host, *topics):
        subscriber = await Subscriber.connect(host, *topics)
        self.addAsyncCleanup(subscriber.leave)
        return subscriber

    async def test_what_happens_at_kiwoom_is_heard_at_once(self):
        kiwoom = self.enterContext(KiwoomStandIn())
        host = self.start(kiwoom, "kiwoom_ws")
        kiwoom.wait("registered_items", 3)
        subscriber = await self.connect(host, "price:005930", "market:kospi")
        kiwoom.control("real", type="0B", item="005930", values=TRADE)
        price = await subscriber.next_of("price_update")
        self.assertEqual((price["ticker"], price["source"]), ("005930", "kiwoom_ws"))
        self.assertEqual(price["data"], {"price": 71000, "change": -500, "change_rate": -0.7, "volume": 1000,
                                         "bid_price": 71000, "ask_price": 71100})
        kiwoom.control("real", type="0J", item="001", values={"10": "-2610.55", "11": "-12.34", "12": "-0.47"})
        kospi = await subscriber.next_of("index_update")
        self.assertEqual((kospi["code"], kospi["data"]["index"], kospi["source"]), ("001", 2610.55, "kiwoom_ws"))

    async def test_each_index_is_the_one_that_it_says(self):
        kiwoom = self.enterContext(KiwoomStandIn())
        host = self.start(kiwoom, "kiwoom_ws")
        kiwoom.wait("registered_items", 3)
        subscriber = await self.connect(host, "market:kosdaq")
        kiwoom.control("set", rate=100)
        kosdaq = await subscriber.next_of("index_update")
        self.assertEqual((kosdaq["code"], kosdaq["name"]), ("201", "KOSDAQ"))
        self.assertTrue(850 <= kosdaq["data"]["index"] <= 870, "KOSPI 200 is about 350: " + repr(kosdaq))

    async def test_registrations_follow_demand_also_after_a_cut(self):
        kiwoom = self.enterContext(KiwoomStandIn())
        host = self.start(kiwoom, "kiwoom_ws", indices=[], recover_after="100ms")
        kiwoom.wait("registered_items", 1)
        await self.connect(host, "price:000660")
        kiwoom.wait("registered_items", 2)
        kiwoom.control("drop")
        subscriber = await self.connect(host, "price:0015N0")
        stats = kiwoom.wait("logins", 2)
        until = time.monotonic() + 60
        while set(stats["registered"]) != {"000660", "0015N0", "005930"}:
            self.assertLess(time.monotonic(), until, stats)
            stats = kiwoom.wait("regs", stats["regs"] + 1)
        kiwoom.control("set", rate=100)
        self.assertEqual((await subscriber.next_of("price_update"))["ticker"], "0015N0")

    async def test_polled_prices_arrive(self):
        kiwoom = self.enterContext(KiwoomStandIn())
        host = self.start(kiwoom, "kiwoom_rest", indices=[])
        subscriber = await self.connect(host, "price:005930")
        price = await subscriber.next_of("price_update")
        self.assertEqual((price["source"], price["data"]["change"]), ("kiwoom_rest", -500))

    async def test_two_sources_live_on_one_token(self):
        kiwoom = self.enterContext(KiwoomStandIn())
        self.start(kiwoom, "kiwoom_ws", "kiwoom_rest", interval="100ms")
        stats = kiwoom.wait("logins", 1)
        self.assertEqual((stats["issues"], stats["issues_at_once"]), (1, 1))

    async def test_the_host_ends_at_once_whatever_kiwoom_does(self):
        kiwoom = self.enterContext(KiwoomStandIn())
        kiwoom.control("fault", faults=[{"never": True}])
        host = self.start(kiwoom, "kiwoom_ws", "kiwoom_rest")
        kiwoom.wait("requests", 1)
        before = time.monotonic()
        host.stop()
        self.assertLess(time.monotonic() - before, 4, "and not after the time-out")

    async def test_a_key_that_is_missing_is_named(self):
        kiwoom = self.enterContext(KiwoomStandIn())
        source = kiwoom.source("kiwoom_ws", app_key="")
        host = self.enterContext(Host(prices(source)))
        host.wait_for_line(r"kiwoom_ws: app_key: is empty")

    async def test_hours_of_traffic_leave_no_trace(self):
        """500 messages a second for BROADCAST_SOAK_SECONDS."""
        kiwoom = self.enterContext(KiwoomStandIn())
        tickers = [str(100000 + i) for i in range(200)]
        host = self.start(kiwoom, "kiwoom_ws", tickers=tickers)
        kiwoom.wait("registered_items", 202)
        subscriber = await self.connect(host, "price:100000", "price:100001", "market:kospi")
        sent = kiwoom.control("set", rate=500).get("real_sent", 0)
        warm = kiwoom.wait("real_sent", sent + 1000)["real_sent"]
        begin_kib, begin = anonymous_kib(host.pid), time.monotonic()
        for number in range(1, int(SOAK_SECONDS) + 1):
            await asyncio.to_thread(kiwoom.wait, "real_sent", warm + number * 500)
            await subscriber.next_of("price_update")
        took, grown_kib = time.monotonic() - begin, anonymous_kib(host.pid) - begin_kib
        kiwoom.control("set", rate=0)
        await subscriber.ask("pong", type="ping")  # all that waits is read, or leaving would wait for it
        print(f"{SOAK_SECONDS:.0f} s of 500 messages in {took:.0f} s: {grown_kib:+} KiB")
        if not IS_SANITIZED:
            self.assertLess(grown_kib, 4096)
        self.assertNotRegex(host.log(), r"\[(warning|error|critical)\]")
        refused = re.findall(r"^\S*refused\S*\{[^}]*price[^}]*\} ([1-9]\S*)$", host.metrics(), re.MULTILINE)
        self.assertEqual(refused, [])


if __name__ == "__main__":
    unittest.main()

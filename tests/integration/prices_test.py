#!/usr/bin/python3
"""The real host with the real price broadcaster."""

import asyncio
import datetime
import unittest

from host import Host
from subscriber import Subscriber


def prices(**config):
    # Nothing that arrives can come from a second round.
    return {"broadcasters": {"price": {"config": {"interval": "1h", **config}}}}


class PricesTest(unittest.IsolatedAsyncioTestCase):
    def start(self, config):
        return self.enterContext(Host(config))

    async def connect(self, host, *topics):
        subscriber = await Subscriber.connect(host, *topics)
        self.addAsyncCleanup(subscriber.leave)
        return subscriber

    async def test_prices_and_indices_arrive_at_once(self):
        host = self.start(prices())
        subscriber = await self.connect(host, "price:005930", "market:kospi", "market:kosdaq")
        price = await subscriber.next_of("price_update")
        kospi = await subscriber.next_of("index_update", topic="market:kospi")
        kosdaq = await subscriber.next_of("index_update", topic="market:kosdaq")
        self.assertEqual(list(price), ["topic", "seq", "type", "ticker", "data", "timestamp", "source"])
        self.assertEqual((price["topic"], price["ticker"], price["source"]), ("price:005930", "005930", "sim"))
        self.assertEqual(set(price["data"]), {"price", "change", "change_rate", "volume", "bid_price", "ask_price"})
        self.assertLess(price["data"]["bid_price"], price["data"]["ask_price"])
        self.assertEqual((kospi["code"], kospi["name"]), ("001", "KOSPI"))
        self.assertEqual((kosdaq["code"], kosdaq["name"]), ("201", "KOSDAQ"))
        self.assertEqual(set(kospi["data"]), {"index", "change", "change_rate", "volume"})
        stamp = datetime.datetime.fromisoformat(price["timestamp"])
        self.assertEqual(stamp.utcoffset(), datetime.timedelta(0))

    async def test_a_ticker_in_demand_arrives_at_once(self):
        host = self.start(prices(tickers=["005930"], indices=[]))
        subscriber = await self.connect(host)
        await subscriber.ask("subscribed", type="subscribe", topic="price:0015N0")
        price = await subscriber.next_of("price_update")
        self.assertEqual((price["ticker"], price["seq"]), ("0015N0", 1))

    async def test_prices_go_on_in_every_interval(self):
        host = self.start(prices(interval="100ms"))
        subscriber = await self.connect(host, "price:000660")
        seqs = [(await subscriber.next_of("price_update"))["seq"] for _ in range(4)]
        self.assertEqual(seqs, list(range(seqs[0], seqs[0] + 4)))

    async def test_everybody_gets_the_same(self):
        host = self.start(prices())
        all_of_them = await asyncio.gather(*(self.connect(host, "price:005930") for _ in range(8)))
        got = [await subscriber.next_of("price_update") for subscriber in all_of_them]
        self.assertEqual(got, [got[0]] * 8)

    async def test_the_status_says_who_serves(self):
        host = self.start(prices())
        host.wait_until_started("price")
        status = await (await self.connect(host, "status:price")).next_of("status")
        self.assertEqual((status["broadcaster"], status["state"]), ("price", "ok"))
        self.assertRegex(status["detail"], r"^serving sim since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")


if __name__ == "__main__":
    unittest.main()

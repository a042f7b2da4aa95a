#!/usr/bin/python3
"""What ./dev run starts: config/demo.yaml on a file made of config/demo/market.sql, with its collector and scanner."""

import os
import pathlib
import sqlite3
import tempfile
import unittest

from host import Host
from process import Process
from subscriber import Subscriber

CONFIG = pathlib.Path(__file__).parents[2] / "config"
TOPICS = {"price:005930": "price_update", "market:kospi": "index_update", "market:kosdaq": "index_update",
          "market-gate": "market_gate_update", "signal:vcp": "signal_update", "signal:daytrading": "signal_update",
          "status:price": "status"}


class DemoHost(Host):
    """The demo on free ports; everything else as it is."""

    def __init__(self, database):
        text = (CONFIG / "demo.yaml").read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:5111", "127.0.0.1:0") + '\nadmin:\n  listen: "127.0.0.1:0"\n'
        os.environ["DEMO_DATABASE"] = database
        super().__init__(text)


class DemoTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-demo-"))
        self.database = os.path.join(directory, "market.db")
        with sqlite3.connect(self.database) as database:
            database.executescript((CONFIG / "demo/market.sql").read_text(encoding="utf-8"))
        database.close()
        self.host = self.enterContext(DemoHost(self.database))

    def run_beside(self, script, *arguments):
        process = Process("/usr/bin/python3", str(CONFIG / "demo" / script), *arguments)
        self.addCleanup(process.kill)
        self.addCleanup(process.stop)

    async def test_every_kind_of_topic_reaches_an_independent_client_and_prices_move(self):
        self.run_beside("collector.py", self.database, "--interval", "0.2")
        self.run_beside("scanner.py", "--url", f"http://127.0.0.1:{self.host.admin_port}", "--interval", "0.5")
        subscriber = await Subscriber.connect(self.host, *TOPICS)
        self.addAsyncCleanup(subscriber.leave)
        missing = dict(TOPICS)
        prices = set()

        def is_last(message):
            topic = message.get("topic")
            if message["type"] == TOPICS.get(topic):
                missing.pop(topic, None)
            if message["type"] == "price_update" and message["source"] == "database":
                prices.add(message["data"]["price"])
            return not missing and len(prices) > 1

        await subscriber.next_where(is_last)

    async def test_without_the_file_the_simulator_serves_and_says_so(self):
        os.remove(self.database)
        with DemoHost(self.database) as host:
            subscriber = await Subscriber.connect(host, "price:005930", "status:price")
            self.assertRegex((await subscriber.next_of("status", state="degraded"))["detail"],
                             "^database does not answer, serving sim since 2")
            await subscriber.next_of("price_update", source="sim")
            await subscriber.leave()


if __name__ == "__main__":
    unittest.main()

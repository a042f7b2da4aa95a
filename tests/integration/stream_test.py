#!/usr/bin/python3
"""Redis Streams on a real Redis and a real host, stopped and killed: what XADD acknowledged arrives, once, in order."""

import asyncio
import json
import os
import random
import tempfile
import threading
import unittest

import redis

from cutting_proxy import CuttingProxy
from host import Host, mirror, test_plugin
from process import DEADLINE
from redis_server import RedisServer
from redis_test import metric, wait_for_metric
from subscriber import Subscriber

KILLS = int(os.environ.get("BROADCAST_KILLS", "6"))
SEED = int(os.environ.get("BROADCAST_SEED", random.randrange(1 << 32)))
KEY = "ws:stream"
TOPIC = "signal:vcp"


class Producer(threading.Thread):
    """Adds one entry after the other until it is stopped; when Redis is away it goes on with the next one as soon as it is
    back, because nobody knows what became of the last. Remembers what was acknowledged."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._server = server
        self._ended = threading.Event()
        self._news = threading.Condition()
        self.acknowledged = []

    def run(self):
        count = 0
        with self._server.client() as client:
            while not self._ended.is_set():
                count += 1
                try:
                    client.xadd(KEY, {"topic": TOPIC, "payload": json.dumps({"type": "x", "text": str(count)})})
                except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                    self._ended.wait(0.01)
                    continue
                self._ended.wait(0.001)
                with self._news:
                    self.acknowledged.append(str(count))
                    self._news.notify_all()

    def wait_for(self, more):
        with self._news:
            wanted = len(self.acknowledged) + more
            if not self._news.wait_for(lambda: len(self.acknowledged) >= wanted, DEADLINE):
                raise AssertionError("nothing is acknowledged")

    def stop(self):
        self._ended.set()
        self.join(DEADLINE)


class StreamCase(unittest.IsolatedAsyncioTestCase):
    """A durable Redis, and a host whose state outlives it."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="broadcast-stream-")
        self.addCleanup(directory.cleanup)
        self.state = {"path": os.path.join(directory.name, "state.db")}
        self.server = self.enterContext(RedisServer(durable=True))

    def config(self, broadcasters=None, port=None, redis=None, **more):
        url = self.server.url() if port is None else f"redis://127.0.0.1:{port}/0"
        return {"broadcasters": mirror() if broadcasters is None else broadcasters, "state": self.state,
                "history": {"messages": 1_000_000}, "redis": {"url": url, "stream": KEY, "channels": "", **(redis or {})}, **more}

    def add(self, *texts, topic=TOPIC):
        for text in texts:
            self.server.client().xadd(KEY, {"topic": topic, "payload": json.dumps({"type": "x", "text": text})})

    async def published(self, host, count, topic=TOPIC):
        """The texts that the topic has published, once there are so many: all of its history."""
        reader = await Subscriber.connect(host)
        first = await reader.ask("subscribed", type="subscribe", topic=topic)
        if first["seq"] < count:
            await reader.next_where(lambda message: message.get("topic") == topic and message["seq"] >= count)
        await reader.ask("unsubscribed", type="unsubscribe", topic=topic)
        again = await reader.ask("subscribed", type="subscribe", topic=topic, since={"epoch": first["epoch"], "seq": 0})
        self.assertTrue(again["recovered"], host.log())
        texts = [(await reader.next())["text"] for _ in range(again["seq"])]
        await reader.ask("unsubscribed", type="unsubscribe", topic=topic)  # or closing would wait for what comes
        await reader.leave()
        return texts

    async def published_until(self, host, last):
        """All of the topic's texts, from the first to `last`."""
        reader = await Subscriber.connect(host)
        first = await reader.ask("subscribed", type="subscribe", topic=TOPIC)
        await reader.ask("unsubscribed", type="unsubscribe", topic=TOPIC)
        again = await reader.ask("subscribed", type="subscribe", topic=TOPIC, since={"epoch": first["epoch"], "seq": 0})
        self.assertTrue(again["recovered"], host.log())
        texts = []
        while not texts or texts[-1] != last:
            message = await reader.next()
            texts.append(message["text"])
            self.assertEqual(message["seq"], len(texts))
        await reader.leave()
        return texts


class StreamTest(StreamCase):
    async def test_what_was_added_while_host_or_redis_was_down_arrives_afterwards_once_in_order(self):
        self.add("a", "b")
        with Host(self.config()) as host:
            self.assertEqual(await self.published(host, 2), ["a", "b"])
            self.add("c")
            self.assertEqual(await self.published(host, 3), ["a", "b", "c"])
        self.add("d", "e")
        with Host(self.config()) as host:
            self.assertEqual(await self.published(host, 5), ["a", "b", "c", "d", "e"])
            self.server.kill()
            host.wait_for_line("stream: redis://.* the host keeps trying")
            self.server.start()
            self.add("f")
            self.assertEqual(await self.published(host, 6), ["a", "b", "c", "d", "e", "f"])
            wait_for_metric(host, 'broadcast_stream_entries_total{result="handled"}', 3)
            self.assertEqual(metric(host, 'broadcast_stream_entries_total{result="handled"}'), 3)
            self.assertEqual(metric(host, "broadcast_stream_gaps_total"), 0)

    async def test_nothing_is_lost_and_nothing_comes_twice_by_kills_of_redis_or_the_host(self):
        print("BROADCAST_SEED:", SEED)
        chance = random.Random(SEED)
        producer = Producer(self.server)
        producer.start()
        host = None
        try:
            for _ in range(KILLS):
                if host is None:
                    host = Host(self.config()).__enter__()
                producer.wait_for(chance.randrange(1, 120))  # in the middle of whatever host and Redis are doing
                if chance.random() < 0.5:
                    host.kill()
                    host = None
                else:
                    self.server.kill()
                    self.server.start()
        finally:
            producer.stop()
            if host is not None:
                host.kill()
        with Host(self.config()) as host:
            self.add("last")
            acknowledged = [*producer.acknowledged, "last"]
            texts = await self.published_until(host, "last")
            self.assertEqual(len(texts), len(set(texts)), "delivered twice")
            # What was not acknowledged may be there or not, at its place.
            known = set(acknowledged)
            self.assertEqual([text for text in texts if text in known], acknowledged, host.log())
            self.assertEqual(texts[:-1], sorted(texts[:-1], key=int))
            self.assertEqual(metric(host, "broadcast_stream_gaps_total"), 0, host.log())

    async def test_trimmed_entries_are_reported_and_it_goes_on(self):
        with Host(self.config()) as host:
            self.add("a")
            await self.published(host, 1)
        self.add(*"bcdefgh")
        self.server.client().xtrim(KEY, maxlen=2, approximate=False)
        with Host(self.config()) as host:
            self.assertEqual(await self.published(host, 3), ["a", "g", "h"])
            host.wait_for_line("stream ws:stream: 5 of its entries were removed before they were read")
            reader = await Subscriber.connect(host, "status:stream")
            status = await reader.next_of("status", state="degraded")
            self.assertIn("5 of its entries", status["detail"])
            self.assertEqual(metric(host, "broadcast_stream_missing_entries_total"), 5)
            # Trimming what was handled is nobody's loss.
            self.server.client().xtrim(KEY, maxlen=0)
            self.add("i")
            self.assertEqual((await self.published(host, 4))[-1], "i")
            self.assertEqual(metric(host, "broadcast_stream_gaps_total"), 1)
        with Host(self.config()) as host:
            self.add("j")
            self.assertEqual((await self.published(host, 5))[-1], "j")
            self.assertEqual(metric(host, "broadcast_stream_gaps_total"), 0)

    async def test_what_is_refused_is_counted_and_holds_nothing_up(self):
        client = self.server.client()
        with Host(self.config(redis={"park_after": "0s"})) as host:
            for fields in ({"topic": TOPIC}, {"payload": "{}"}, {"topic": TOPIC, "payload": "{nix"},
                           {"topic": "nobody:knows", "payload": "{}"}, {"topic": TOPIC, "payload": "7"},
                           {"topic": TOPIC, "payload": "[" + "1," * 200_000 + "1]"},
                           {f"field{i}": "x" for i in range(3000)}):
                client.xadd(KEY, fields)
            self.add("after")
            self.assertEqual(await self.published(host, 1), ["after"])
            self.assertEqual(metric(host, 'broadcast_stream_entries_total{result="refused"}'), 6)
            self.assertEqual(metric(host, 'broadcast_stream_entries_total{result="parked"}'), 1)

    async def test_entries_that_do_not_fit_one_reply_are_read_all_the_same(self):
        # More than 16 MiB by itself, in strings that are each small enough.
        self.server.client().xadd(KEY, {f"field{i}": "x" * 250_000 for i in range(70)})
        self.add("after")
        with Host(self.config()) as host:
            self.assertEqual(await self.published(host, 1), ["after"])
            self.assertEqual(metric(host, 'broadcast_stream_entries_total{result="refused"}'), 1)

    async def test_a_host_killed_between_two_messages_of_an_entry_goes_on_with_the_second(self):
        config = self.config(test_plugin("probe", "probe.so"))
        wakes, write = os.pipe()
        self.addCleanup(os.close, wakes)
        self.addCleanup(os.close, write)
        order = {"do": "stuck_and_tell", "fd": wakes}
        with Host(config, pass_fds=[wakes]) as host:
            reader = await Subscriber.connect(host, "probe:log")
            self.server.client().xadd(KEY, {"topic": "probe:log", "payload": json.dumps(order, separators=(",", ":"))})
            await reader.next_of("probe", event="stuck")
            host.kill()
        os.write(write, b"x")
        with Host(config, pass_fds=[wakes]) as host:
            wait_for_metric(host, 'broadcast_stream_entries_total{result="handled"}', 1)
            reader = await Subscriber.connect(host)
            first = await reader.ask("subscribed", type="subscribe", topic="probe:log")
            since = {"epoch": first["epoch"], "seq": 0}
            await reader.ask("unsubscribed", type="unsubscribe", topic="probe:log")
            again = await reader.ask("subscribed", type="subscribe", topic="probe:log", since=since)
            events = [(await reader.next())["event"] for _ in range(again["seq"])]
            await reader.leave()
            self.assertEqual([event for event in events if event in ("stuck", "freed")], ["stuck", "freed"])

    async def test_one_entry_may_cause_several_messages_and_a_failure_between_them_is_no_doubt(self):
        # `probe` publishes what it is told, then dies of it: the next try leaves out what is there already.
        with Host(self.config({**mirror(), **test_plugin("probe", "probe.so")})) as host:
            host.wait_until_started("probe")
            self.server.client().xadd(KEY, {"topic": "probe:order", "payload": '{"do":"publish_and_throw"}'})
            wait_for_metric(host, 'broadcast_stream_entries_total{result="refused"}', 1)
            self.assertEqual(await self.sequence(host, "probe:once"), 1)
            self.add("after")
            self.assertEqual(await self.published(host, 1), ["after"])

    async def sequence(self, host, topic):
        reader = await Subscriber.connect(host)
        seq = (await reader.ask("subscribed", type="subscribe", topic=topic))["seq"]
        await reader.leave()
        return seq

    async def test_cut_off_in_the_middle_of_an_entry(self):
        with CuttingProxy(self.server.port) as proxy, Host(self.config(port=proxy.port)) as host:
            texts = []
            for count in (3, 30, 150):
                proxy.cut_after(count)
                texts.append(str(count))
                self.add(str(count))
                await asyncio.to_thread(proxy.wait_for_cut, DEADLINE)
                self.assertEqual(await self.published(host, len(texts)), texts)

    async def test_without_a_state_path_it_begins_with_what_is_added_from_now_on(self):
        config = self.config()
        del config["state"]
        self.add("before")
        with self.server.client().monitor() as commands, Host(config) as host:
            host.wait_for_line("without state.path the host does not keep its position")
            while not commands.next_command()["command"].startswith("XREAD"):
                pass
            self.add("after")
            self.assertEqual(await self.published(host, 1), ["after"])

    async def test_a_stream_made_anew_with_lower_ids_is_read_from_its_first_entry(self):
        with Host(self.config()) as host:
            self.add("a")
            self.assertEqual(await self.published(host, 1), ["a"])
            with self.server.client().pipeline() as anew:  # at once
                anew.delete(KEY)
                for n, text in enumerate("bc", 1):
                    anew.xadd(KEY, {"topic": TOPIC, "payload": json.dumps({"type": "x", "text": text})}, id=f"{n}-0")
                anew.execute()
            self.assertEqual(await self.published(host, 3), ["a", "b", "c"])
            self.assertEqual(metric(host, "broadcast_stream_gaps_total"), 1)
            self.assertEqual(metric(host, "broadcast_stream_unread_entries_total"), 0)

    async def test_a_stream_made_anew_with_lower_ids_while_the_host_was_away_is_counted_and_told(self):
        with Host(self.config()) as host:
            self.add("a")
            self.assertEqual(await self.published(host, 1), ["a"])
        client = self.server.client()
        client.delete(KEY)
        client.xadd(KEY, {"topic": TOPIC, "payload": "{}"}, id="1-0")
        with Host(self.config()) as host:
            host.wait_for_line("the 1 entries that it holds are not read, because they may have been handled already")
            self.assertEqual(metric(host, "broadcast_stream_unread_entries_total"), 1)
            client.xadd(KEY, {"topic": TOPIC, "payload": '{"type":"x","text":"b"}'}, id="2-0")
            self.assertEqual(await self.published(host, 2), ["a", "b"])

    def test_a_key_that_is_no_stream_is_said(self):
        self.server.client().set(KEY, "text")
        with Host(self.config()) as host:
            host.wait_for_line("stream: redis://.* refuses XINFO STREAM ws:stream: WRONGTYPE")


if __name__ == "__main__":
    unittest.main()

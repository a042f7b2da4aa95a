#!/usr/bin/python3
"""What survives the end of a host: `state.path` on the real host, stopped and killed."""

import asyncio
import http.client
import json
import os
import random
import tempfile
import threading
import unittest

from host import Host, mirror
from process import DEADLINE, run
from subscriber import Subscriber

KILLS = int(os.environ.get("BROADCAST_KILLS", "10"))
SEED = int(os.environ.get("BROADCAST_SEED", random.randrange(1 << 32)))
PRODUCERS = 8
TOPICS = ("signal:vcp", "signal:daytrading")


class Producer(threading.Thread):
    """Posts one message after the other until the host is gone; remembers what was acknowledged."""

    def __init__(self, host, name, on_acknowledged, on_sent=lambda: None):
        super().__init__(daemon=True)
        self._port = host.admin_port
        self._name = name
        self._on_acknowledged = on_acknowledged
        self._on_sent = on_sent
        self.refused = []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        count = 0
        try:
            while True:
                count += 1
                topic = TOPICS[count % len(TOPICS)]
                text = f"{self._name}.{count}"
                connection.request("POST", "/v1/publish/" + topic, json.dumps({"type": "x", "text": text}))
                self._on_sent()
                response = connection.getresponse()
                answer = json.loads(response.read())
                if response.status != 200 or not answer["durable"]:
                    self.refused.append((response.status, answer))
                    return
                self._on_acknowledged(topic, answer["seq"], text)
        except (OSError, http.client.HTTPException, ValueError):
            pass  # the host is gone, maybe in the middle of its answer
        finally:
            connection.close()


class Acknowledged:
    """What the host has promised to keep: by topic, number -> text."""

    def __init__(self):
        self._news = threading.Condition()
        self._count = 0
        self.by_topic = {topic: {} for topic in TOPICS}

    def add(self, topic, seq, text):
        with self._news:
            assert self.by_topic[topic].setdefault(seq, text) == text, f"{topic} {seq} was given twice"
            self._count += 1
            self._news.notify_all()

    def wait_for(self, more):
        with self._news:
            wanted = self._count + more
            assert self._news.wait_for(lambda: self._count >= wanted, DEADLINE), "nothing is acknowledged"


class StateTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="broadcast-state-")
        self.addCleanup(directory.cleanup)
        self.config = {"broadcasters": mirror(), "history": {"messages": 100_000},
                       "state": {"path": os.path.join(directory.name, "state.db")}}

    async def recover(self, host, since):
        """Everything after `since` (by topic: epoch, seq) up to now: {topic: (epoch, {seq: text})}."""
        reader = await Subscriber.connect(host)
        answer = await reader.ask("subscribed", type="subscribe", topics=list(TOPICS), since={
            topic: {"epoch": epoch, "seq": seq} for topic, (epoch, seq) in since.items()})
        got = {}
        for entry in answer["topics"]:
            topic = entry["topic"]
            self.assertTrue(entry["recovered"] or topic not in since, entry)
            messages = {}
            if entry["recovered"]:
                for seq in range(since[topic][1] + 1, entry["seq"] + 1):
                    message = await reader.next()
                    self.assertEqual((message["topic"], message["seq"]), (topic, seq))
                    messages[seq] = message["text"]
            got[topic] = (entry["epoch"], messages)
        await reader.leave()
        return got

    async def test_nothing_that_was_acknowledged_is_lost_by_a_kill(self):
        print("BROADCAST_SEED:", SEED)
        chance = random.Random(SEED)
        acknowledged = Acknowledged()
        epochs = None
        kept = {topic: {} for topic in TOPICS}
        for life in range(KILLS + 1):
            with Host(self.config) as host:
                host.wait_until_started("mirror")
                reached = {topic: max(kept[topic], default=0) for topic in TOPICS}
                if epochs:
                    # From somewhere before: what was seen then must be the same now.
                    since = {topic: (epochs[topic], max(0, reached[topic] - 50)) for topic in TOPICS}
                    for topic, (epoch, messages) in (await self.recover(host, since)).items():
                        self.assertEqual(epoch, epochs[topic])
                        for seq, text in messages.items():
                            self.assertEqual(kept[topic].setdefault(seq, text), text)
                        for seq, text in acknowledged.by_topic[topic].items():
                            self.assertEqual(kept[topic].get(seq), text, f"{topic} {seq} was acknowledged")
                else:
                    epochs = {topic: epoch for topic, (epoch, _) in (await self.recover(host, {})).items()}
                if life == KILLS:
                    break
                sent = threading.Semaphore(0)
                producers = [Producer(host, f"{life}.{i}", acknowledged.add, sent.release) for i in range(PRODUCERS)]
                for producer in producers:
                    producer.start()
                if life % 2:  # while messages are under way, also before the first acknowledgement
                    for _ in range(chance.randrange(1, 200)):
                        self.assertTrue(await asyncio.to_thread(sent.acquire, timeout=DEADLINE))
                else:  # right after one was acknowledged
                    await asyncio.to_thread(acknowledged.wait_for, chance.randrange(1, 200))
                host.kill()
                for producer in producers:
                    producer.join(DEADLINE)
                    self.assertEqual(producer.refused, [])
        texts = [text for topic in TOPICS for text in kept[topic].values()]
        self.assertEqual(len(texts), len(set(texts)), "delivered twice")
        self.assertGreaterEqual(len(texts), KILLS // 2)

    async def test_what_a_live_subscriber_saw_before_a_kill_is_there_afterwards(self):
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            reader = await Subscriber.connect(host)
            first = await reader.ask("subscribed", type="subscribe", topic="signal:vcp")
            acknowledged = Acknowledged()
            producers = [Producer(host, f"0.{i}", acknowledged.add) for i in range(PRODUCERS)]
            for producer in producers:
                producer.start()
            seen = [(await reader.next_of("x"))["text"] for _ in range(100)]
            host.kill()
            for producer in producers:
                producer.join(DEADLINE)
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            recovered = await self.recover(host, {"signal:vcp": (first["epoch"], 0)})
            self.assertEqual(list(recovered["signal:vcp"][1].values())[:100], seen)

    async def test_who_was_there_before_the_first_message_recovers_it_after_a_restart(self):
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            reader = await Subscriber.connect(host)
            first = await reader.ask("subscribed", type="subscribe", topic="signal:vcp")
            self.assertEqual(first["seq"], 0)
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            for text in ("a", "b", "c"):
                self.assertEqual(host.publish("signal:vcp", {"type": "x", "text": text})[0], 200)
            recovered = await self.recover(host, {"signal:vcp": (first["epoch"], 0)})
            self.assertEqual(recovered["signal:vcp"], (first["epoch"], {1: "a", 2: "b", 3: "c"}))

    async def test_last_values_are_there_after_a_restart_as_snapshots_of_a_new_epoch(self):
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            for price in (1, 2, 3):
                self.assertEqual(host.publish("price:005930", {"type": "price_update", "price": price})[0], 200)
            reader = await Subscriber.connect(host)
            before = await reader.ask("subscribed", type="subscribe", topic="price:005930")
            self.assertEqual(before["seq"], 3)
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            reader = await Subscriber.connect(host)
            after = await reader.ask("subscribed", type="subscribe", topic="price:*")
            [topic] = after["topics"]
            self.assertEqual((topic["topic"], topic["seq"]), ("price:005930", 0))
            self.assertNotEqual(topic["epoch"], before["epoch"])
            self.assertEqual((await reader.next())["price"], 3)
            host.publish("price:005930", {"type": "price_update", "price": 4})
            update = await reader.next()
            self.assertEqual((update["seq"], update["price"]), (1, 4))

    async def test_a_file_that_is_removed_while_the_host_runs_is_written_anew(self):
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            reader = await Subscriber.connect(host)
            first = await reader.ask("subscribed", type="subscribe", topic="signal:vcp")
            self.assertEqual(host.publish("signal:vcp", {"type": "x", "text": "a"})[0], 200)
            self.assertEqual(host.publish("price:005930", {"type": "price_update", "price": 7})[0], 200)
            os.remove(self.config["state"]["path"])
            status, answer = host.publish("signal:vcp", {"type": "x", "text": "b"})
            self.assertEqual((status, answer["durable"]), (200, True))
            host.wait_for_line(r"error.* could no longer be trusted \(it was removed\)")
            self.assertIn("broadcast_store_rewrites_total 1", host.metrics())
            host.kill()
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            recovered = await self.recover(host, {"signal:vcp": (first["epoch"], 0)})
            self.assertEqual(recovered["signal:vcp"], (first["epoch"], {1: "a", 2: "b"}))

    async def test_a_file_at_the_limit_of_its_size_refuses_and_does_not_end_the_host(self):
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            limited = run("prlimit", "--pid", str(host.pid), "--fsize=262144")
            self.assertEqual(limited.returncode, 0, limited.stdout)
            message = {"type": "signal_update", "text": "x" * 4000}
            self.assertEqual(host.publish("signal:vcp", message)[0], 200)
            while (verdict := host.publish("signal:vcp", message)[0]) == 200:
                pass
            self.assertEqual(verdict, 503)
            self.assertEqual(host.get("/livez")[0], 200)

    async def test_without_a_state_path_an_answer_says_so_and_since_holds_within_one_life(self):
        del self.config["state"]
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            status, answer = host.publish("signal:vcp", {"type": "x", "text": "a"})
            self.assertEqual((status, answer["durable"]), (200, False))
            reader = await Subscriber.connect(host)
            first = await reader.ask("subscribed", type="subscribe", topic="signal:vcp")
            recovered = await self.recover(host, {"signal:vcp": (first["epoch"], 0)})
            self.assertEqual(recovered["signal:vcp"][1], {1: "a"})
        with Host(self.config) as host:
            host.wait_until_started("mirror")
            reader = await Subscriber.connect(host)
            again = await reader.ask("subscribed", type="subscribe", topic="signal:vcp",
                                     since={"epoch": first["epoch"], "seq": 1})
            self.assertEqual((again["recovered"], again["seq"]), (False, 0))


if __name__ == "__main__":
    unittest.main()

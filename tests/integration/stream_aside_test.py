#!/usr/bin/python3
"""Entries of a Redis stream whose broadcaster is absent, and those that nobody takes: none is lost, each comes once and in order."""

import json
import random
import unittest

from host import Host, mirror, test_plugin
from redis_test import metric, wait_for_metric
from stream_test import KEY, KILLS, SEED, TOPIC, Producer, StreamCase
from subscriber import Subscriber

PARKED, REFUSED = KEY + ":parked", KEY + ":refused"
RELAY = {"relay": [{"topic": "log:*", "delivery": "all"}]}
PARKED_COUNT = 'broadcast_stream_entries_total{result="parked"}'
MOST = 10_000


def absent(park_after="0s"):
    return {"redis": {"park_after": park_after}, **RELAY}


class AsideTest(StreamCase):
    def expect_parked(self, host, count):
        wait_for_metric(host, PARKED_COUNT, count)
        self.assertEqual(metric(host, PARKED_COUNT), count)

    async def wait_for_status(self, host, part):
        reader = await Subscriber.connect(host, "status:stream")
        status = await reader.next_where(lambda message: part in message.get("detail", ""))
        await reader.leave()
        return status

    def expect_done(self, host, path):
        status, answer = host.post(path)
        self.assertEqual((status, answer["outcome"]), (200, "done"), answer)

    async def test_entries_wait_for_a_broadcaster_that_an_operator_has_disabled(self):
        with Host(self.config(**absent("1h"))) as host:
            self.add("1")
            self.assertEqual(await self.published(host, 1), ["1"])
            self.expect_done(host, "/v1/broadcasters/mirror/disable")
            self.add("2", "3")
            status = await self.wait_for_status(host, "entries wait for a broadcaster that serves signal:vcp")
            self.assertEqual(status["state"], "degraded")
            self.expect_done(host, "/v1/broadcasters/mirror/enable")
            self.add("4")
            self.assertEqual(await self.published(host, 4), list("1234"))
            self.assertEqual(metric(host, PARKED_COUNT), 0)

    async def test_entries_of_an_absent_broadcaster_are_parked_and_the_others_go_on(self):
        for reason, broadcasters in (("disabled", {"mirror": {**mirror()["mirror"], "enabled": False}}),
                                     ("not there", {"mirror": {"library": "libnowhere.so"}})):
            with self.subTest(reason), Host(self.config(broadcasters, **absent())) as host:
                self.add(reason)
                self.add(reason, topic="log:a")
                count = 1 if reason == "disabled" else 2
                self.assertEqual((await self.published(host, count, "log:a"))[-1], reason)
                self.expect_parked(host, 1)
                await self.wait_for_status(host, f"entries parked until somebody serves their topics: {count} (signal:vcp)")
                host.kill()
        with Host(self.config(**absent())) as host:
            self.add("back")
            self.assertEqual(await self.published(host, 3), ["disabled", "not there", "back"])
            host.wait_for_line('the parked entries of "signal:vcp" have been handled')
            self.assertEqual(self.server.client().xlen(PARKED), 0)

    async def test_a_topic_that_moves_to_another_broadcaster_in_two_reloads_loses_nothing(self):
        other = {"other": mirror()["mirror"]}
        for park_after in ("1h", "0s"):
            with self.subTest(park_after=park_after), Host(self.config(**absent(park_after))) as host:
                before = metric(host, "broadcast_stream_entries_total")
                self.assertEqual(before, 0)
                start = self.server.client().xlen(KEY)
                self.add("1")
                await self.published(host, start + 1)
                host.rewrite(self.config({}, **absent(park_after)))
                self.expect_done(host, "/v1/reload")
                self.add("2", "3")
                if park_after == "0s":
                    self.expect_parked(host, 2)
                host.rewrite(self.config(other, **absent(park_after)))
                self.expect_done(host, "/v1/reload")
                self.add("4")
                self.assertEqual((await self.published(host, start + 4))[-4:], list("1234"))

    async def test_nothing_is_lost_and_nothing_comes_twice_by_kills_while_a_broadcaster_comes_and_goes(self):
        print("BROADCAST_SEED:", SEED)
        chance = random.Random(SEED)
        producer = Producer(self.server)
        producer.start()
        try:
            for turn in range(KILLS):
                with Host(self.config({} if turn % 2 == 0 else None, **absent())) as host:
                    producer.wait_for(chance.randrange(1, 60))
                    if chance.random() < 0.3:
                        self.server.kill()
                        self.server.start()
                    producer.wait_for(chance.randrange(1, 60))
                    host.kill()
        finally:
            producer.stop()
        with Host(self.config(**absent())) as host:
            self.add("last")
            texts = await self.published_until(host, "last")
            self.assertEqual(len(texts), len(set(texts)), "delivered twice")
            known = {*producer.acknowledged, "last"}
            self.assertEqual([text for text in texts if text in known], [*producer.acknowledged, "last"], host.log())
            self.assertEqual(self.server.client().xlen(REFUSED), 0)

    async def test_what_nobody_takes_is_kept_with_the_reason_and_not_twice_after_a_kill(self):
        for turn in range(3):
            with Host(self.config()) as host:
                self.server.client().xadd(KEY, {"topic": TOPIC, "payload": f"{{nix {turn}"})
                wait_for_metric(host, 'broadcast_stream_entries_total{result="refused"}', 1)
                host.kill()  # perhaps before it is noted that it was refused
        with Host(self.config()) as host:
            self.add("after")
            self.assertEqual(await self.published(host, 1), ["after"])
        kept = [fields for _, fields in self.server.client(decode_responses=True).xrange(REFUSED)]
        self.assertEqual([one["payload"] for one in kept], [f"{{nix {turn}" for turn in range(3)])
        self.assertTrue(all(one["topic"] == TOPIC and "it is not JSON: line 1" in one["reason"] for one in kept), kept)

    async def test_a_user_without_the_right_to_add_makes_the_stream_wait_and_say_why(self):
        client = self.server.client()
        client.acl_setuser("reader", enabled=True, passwords=["+pw"], keys=["*"],
                           commands=["+xread", "+xinfo", "+xrange", "+xrevrange", "+ping", "+client|setname"])
        url = f"redis://reader:pw@127.0.0.1:{self.server.port}/0"
        with Host(self.config(redis={"url": url})) as host:
            self.add("before")
            client.xadd(KEY, {"topic": TOPIC, "payload": "{nix"})
            self.add("after")
            status = await self.wait_for_status(host, "Redis refuses to keep parked or refused entries (NOPERM)")
            self.assertEqual(status["state"], "degraded")
            host.wait_for_line("Redis refuses XTRIM of ws:stream:refused: NOPERM .*; its entries wait")
            self.assertEqual(await self.published(host, 1), ["before"])
            client.execute_command("ACL", "SETUSER", "reader", "+xtrim", "+xadd")
            self.assertEqual(await self.published(host, 2), ["before", "after"])
            self.assertEqual(client.xlen(REFUSED), 1)

    async def test_what_the_bounds_drop_is_counted_and_told(self):
        client = self.server.client()
        with client.pipeline(transaction=False) as many:
            for n in range(MOST):
                many.xadd(PARKED, {"id": f"1-{n}", "topic": "flood:a", "payload": "{}"})
                many.xadd(REFUSED, {"id": f"1-{n}", "topic": "flood:a", "payload": "7", "reason": "x"})
            many.execute()
        with Host(self.config(**absent())) as host:
            self.add("1", topic="quiet:a")
            client.xadd(KEY, {"topic": TOPIC, "payload": "{nix"})
            self.add("after")
            self.assertEqual(await self.published(host, 1), ["after"])
            for name in ("parked", "refused"):
                self.assertEqual(metric(host, 'broadcast_stream_dropped_entries_total{stream="%s"}' % name), 1)
                self.assertEqual(client.xlen(f"{KEY}:{name}"), MOST)
                host.wait_for_line(f"1 entries of ws:stream:{name} dropped: it holds at most {MOST}")
            await self.wait_for_status(host, "parked or refused entries were dropped")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""From a scanner's POST to every subscriber, through the real signal broadcasters."""

import unittest

from host import Host
from subscriber import Subscriber

SAMSUNG = {"ticker": "005930", "name": "삼성전자", "total_score": 90,
           "checks": [{"name": "거래량 폭증", "status": "passed", "points": 15}], "new_field": {"kept": True}}
HYNIX = {"ticker": "000660", "name": "SK하이닉스", "checks": []}


class SignalsTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = cls.enterClassContext(Host(
            {"broadcasters": {"vcp_signal": {}, "daytrading_signal": {}, "price": {}}}))
        for name in ("vcp_signal", "daytrading_signal", "price"):
            cls.host.wait_until_started(name)

    async def connect(self, *topics):
        subscriber = await Subscriber.connect(self.host, *topics)
        self.addAsyncCleanup(subscriber.leave)
        for _ in topics:
            await subscriber.next_of("subscribed")
        return subscriber

    def post(self, topic, payload, status=200):
        got, answer = self.host.publish(topic, payload)
        self.assertEqual(got, status, answer)
        return answer

    async def test_a_scan_reaches_every_subscriber(self):
        for topic, kind in (("signal:vcp", "VCP"), ("signal:daytrading", "DAYTRADING")):
            readers = [await self.connect(topic) for _ in range(3)]
            answer = self.post(topic, [SAMSUNG, HYNIX])
            self.assertEqual(answer, {"topic": topic, "seq": answer["seq"], "subscribers": 3, "durable": False})
            for reader in readers:
                update = await reader.next_of("signal_update", seq=answer["seq"])
                self.assertEqual(update["topic"], topic)
                data = update["data"]
                self.assertEqual((data["signal_type"], data["signals"], data["count"]), (kind, [SAMSUNG, HYNIX], 2))
                self.assertIn("timestamp", data)
            for reader in readers:
                await reader.leave()

    async def test_takes_the_three_shapes_one_number_each(self):
        reader = await self.connect("signal:daytrading")
        stamp = "2026-02-05T01:02:03.456789+00:00"
        first = self.post("signal:daytrading", [SAMSUNG])["seq"]
        self.post("signal:daytrading", {"signals": [SAMSUNG]})
        self.post("signal:daytrading", {"type": "signal_update", "data": {
            "signal_type": "DAYTRADING", "signals": [SAMSUNG], "count": 1, "timestamp": stamp}})
        updates = [await reader.next_of("signal_update") for _ in range(3)]
        while updates[0]["seq"] < first:  # the last value of a test before
            updates = [*updates[1:], await reader.next_of("signal_update")]
        self.assertEqual([update["seq"] for update in updates], [first, first + 1, first + 2])
        self.assertEqual([update["data"]["signals"] for update in updates], [[SAMSUNG]] * 3)
        self.assertEqual(updates[2]["data"]["timestamp"], stamp)

    async def test_a_refusal_names_index_and_field_and_nobody_gets_it(self):
        before = self.post("signal:daytrading", [SAMSUNG])["seq"]
        for signals, named in (
                ([SAMSUNG, {"name": "no ticker", "checks": []}], "signals[1].ticker"),
                ([{"ticker": "005930", "checks": []}], "signals[0].name"),
                ([{"ticker": "005930", "name": "no checks"}], "signals[0].checks"),
                ([SAMSUNG, HYNIX, {**HYNIX, "checks": [{"name": "x", "status": "maybe", "points": 1}]}],
                 "signals[2].checks[0].status")):
            answer = self.post("signal:daytrading", signals, status=422)
            self.assertIn(named, answer["message"])
        self.assertEqual(self.post("signal:daytrading", [SAMSUNG])["seq"], before + 1)

    async def test_a_vcp_signal_needs_no_checks(self):
        self.post("signal:vcp", [{"ticker": "005930", "name": "삼성전자"}])

    async def test_an_empty_scan_is_a_scan(self):
        reader = await self.connect("signal:vcp")
        seq = self.post("signal:vcp", [])["seq"]
        self.assertEqual((await reader.next_of("signal_update", seq=seq))["data"]["count"], 0)

    async def test_what_cannot_be_taken_is_refused_with_a_reason(self):
        for topic, body, status, says in (
                ("signal:vcp", "[{]", 400, "not valid JSON"),
                ("signal:vcp", "[]\0", 400, "not valid JSON"),
                ("signal:foo", "[]", 404, 'No broadcaster serves topic "signal:foo"'),
                ("price:005930", "{}", 422, "takes no messages"),
                ("signal:vcp", '{"data": 1}', 422, "signals"),
                ("signal:vcp", '"' + "x" * (300 * 1024) + '"', 413, "")):
            answer = self.post(topic, body, status)
            self.assertIn(says, answer["message"])


if __name__ == "__main__":
    unittest.main()

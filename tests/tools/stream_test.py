#!/usr/bin/python3
"""broadcastctl stream: entries that a host has set aside from its Redis stream, listed and put back."""

import unittest

from ctl import run
from host import ConfigFile
from redis_server import RedisServer
from server import free_port

KEY = "ws:stream"


class StreamTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(RedisServer())
        self.client = self.server.client(decode_responses=True)
        self.config = self.enterContext(ConfigFile({"redis": {"url": self.server.url(), "stream": KEY}}))

    def refuse(self, *payloads):
        return [self.client.xadd(KEY + ":refused", {"id": f"7-{n}", "topic": "signal:vcp", "payload": payload,
                                                    "reason": "signals[0].ticker: missing"})
                for n, payload in enumerate(payloads)]

    def expect(self, code, said, wrong, *command, config=None):
        ended = run("stream", *command, "--config", config or self.config)
        self.assertEqual(ended.returncode, code, ended.stdout + ended.stderr)
        self.assertRegex(ended.stdout, said)
        self.assertRegex(ended.stderr, wrong)

    def payloads(self):
        return [fields["payload"] for _, fields in self.client.xrange(KEY)]

    def test_lists_what_was_refused_and_what_is_parked(self):
        first, _ = self.refuse('{"n":1}', '{"n":\n2}')
        self.expect(0, rf'^{first} signal:vcp \(was 7-0\): signals\[0\]\.ticker: missing\n  {{"n":1}}\n.*\n  {{"n": 2}}\n$', "^$",
                    "refused")
        self.expect(0, "^$", "^$", "parked")
        self.client.xadd(KEY + ":parked", {"id": "8-0", "topic": "news:a", "payload": "{}"})
        self.expect(0, r"^\d+-0 news:a \(was 8-0\)\n  {}\n$", "^$", "parked")

    def test_puts_one_back_or_all(self):
        _, second, _ = self.refuse("[1]", "[2]", "[3]")
        self.expect(0, rf"^{second}: put back as \d+-\d+\n$", "^$", "refused", "--put-back", second)
        self.assertEqual((self.payloads(), self.client.xlen(KEY + ":refused")), (["[2]"], 2))
        self.expect(0, r"^(\d+-\d+: put back as \d+-\d+\n){2}$", "^$", "refused", "--put-back", "all")
        self.assertEqual((self.payloads(), self.client.xlen(KEY + ":refused")), (["[2]", "[1]", "[3]"], 0))
        self.expect(0, "^nothing to put back\n$", "^$", "refused", "--put-back", "all")
        self.expect(2, "^$", f"no entry {second}", "refused", "--put-back", second)

    def test_puts_one_back_by_the_id_that_logs_name(self):
        _, second = self.refuse("[1]", "[2]")
        self.expect(0, rf"^{second}: put back as \d+-\d+\n$", "^$", "refused", "--put-back", "7-1")
        self.assertEqual((self.payloads(), self.client.xlen(KEY + ":refused")), (["[2]"], 1))
        self.expect(2, "^$", "no entry 7-1, nor one that had this id in the stream", "refused", "--put-back", "7-1")

    def test_puts_many_back_in_order(self):
        payloads = [f"[{n}]" for n in range(50)]
        self.refuse(*payloads)
        self.expect(0, "put back", "^$", "refused", "--put-back", "all")
        self.assertEqual(self.payloads(), payloads)

    def test_says_what_it_cannot_put_back(self):
        self.refuse("")
        self.expect(0, "not put back, because it is incomplete; the whole entry may still be in ws:stream, entry 7-0", "^$", "refused", "--put-back", "all")
        self.assertEqual(self.client.xlen(KEY + ":refused"), 1)

    def test_says_what_is_wrong(self):
        self.expect(2, "^$", 'expected "all" or an id such as', "refused", "--put-back", "newest")
        with ConfigFile({"redis": {"url": ""}}) as none:
            self.expect(2, "^$", "the file names no stream. Give redis.url and redis.stream", "refused", config=none)
        with ConfigFile({"redis": {"url": f"redis://127.0.0.1:{free_port()}", "stream": KEY}}) as nobody:
            self.expect(2, "^$", "Redis cannot connect. Check redis.url", "refused", config=nobody)
        self.client.set(KEY + ":refused", "text")
        self.expect(2, "^$", "refuses XRANGE: WRONGTYPE", "refused")


if __name__ == "__main__":
    unittest.main()

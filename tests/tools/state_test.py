#!/usr/bin/python3
"""broadcastctl state new-epochs: what a host that starts with the file then tells its clients."""

import asyncio
import os
import tempfile
import unittest

from ctl import run
from host import Host, mirror
from subscriber import Subscriber

TOPIC = "signal:vcp"


class NewEpochsTest(unittest.TestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-state-"))
        self.file = os.path.join(self.directory, "state.db")
        self.config = {"broadcasters": mirror(), "state": {"path": self.file}}

    def start(self):
        host = self.enterContext(Host(self.config))
        host.wait_until_started("mirror")
        return host

    def subscribe(self, host, since=None):
        async def ask():
            reader = await Subscriber.connect(host)
            more = {} if since is None else {"since": since}
            answer = await reader.ask("subscribed", type="subscribe", topic=TOPIC, **more)
            await reader.leave()
            return answer
        return asyncio.run(ask())

    def expect(self, code, said, wrong, *command):
        ended = run(*command)
        self.assertEqual(ended.returncode, code, ended.stdout + ended.stderr)
        self.assertRegex(ended.stdout, said)
        self.assertRegex(ended.stderr, wrong)

    def test_clients_of_before_are_told_that_nothing_is_recovered(self):
        host = self.start()
        self.assertEqual(host.publish(TOPIC, {"type": "x"})[0], 200)
        before = self.subscribe(host)
        self.expect(1, "^$", "its host is running; stop it first", "state", "new-epochs", self.file)
        host.stop()
        self.expect(0, "every topic begins a new epoch", "^$", "state", "new-epochs", self.file)
        host = self.start()
        after = self.subscribe(host, {"epoch": before["epoch"], "seq": 1})
        self.assertNotEqual(after["epoch"], before["epoch"])
        self.assertEqual((after["seq"], after["recovered"]), (1, False))
        self.assertNotIn("is older than", host.log())

    def test_what_is_no_state_file(self):
        self.expect(2, "^$", "no such file", "state", "new-epochs", self.file)
        with open(self.file, "w", encoding="utf-8") as file:
            file.write("garbage" * 100)
        self.expect(1, "^$", "file is not a database", "state", "new-epochs", self.file)


if __name__ == "__main__":
    unittest.main()

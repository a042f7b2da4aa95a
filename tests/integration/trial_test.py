#!/usr/bin/python3
"""Libraries that crash, hang or take their time while they are loaded: the others never notice."""

import os
import signal
import tempfile
import unittest

from host import Host, mirror, run_host, test_plugin
from subscriber import Subscriber

# No exception gets through the dlopen() of ThreadSanitizer.
WHAT_A_CONSTRUCTOR_THROWS = ("killed by SIGABRT at: load" if os.environ.get("BROADCAST_SANITIZED") == "thread"
                             else "one of its static constructors throws: no such table")


def careless(fault):
    return test_plugin("careless", f"careless_{fault}.so")


class TrialTest(unittest.IsolatedAsyncioTestCase):
    async def assert_mirror_serves(self, host, topics=("signal:vcp",)):
        for topic in topics:
            reader = await Subscriber.connect(host, topic)
            self.addAsyncCleanup(reader.leave)
            self.assertEqual(host.publish(topic, {"type": "x"})[0], 200)
            await reader.next_of("x")

    async def test_one_that_crashes_while_it_is_loaded_is_named_and_costs_nobody_else(self):
        for fault, where in (("load_crash", "load"), ("create_crash", "create"), ("unload_crash", "unload")):
            with Host({"broadcasters": {**mirror(), **careless(fault)}}) as host:
                host.wait_for_line(rf"careless: careless_{fault}\.so: tried in a separate process: .* at: {where}\b")
                host.wait_until_started("mirror")
                await self.assert_mirror_serves(host)
                reader = await Subscriber.connect(host, "status:careless")
                status = await reader.next_of("status")
                self.assertEqual(status["state"], "down")
                self.assertIn(f"at: {where}", status["detail"])
                await reader.leave()

    async def test_one_that_throws_while_it_is_loaded_wedges_nobody(self):
        with Host({"broadcasters": {**mirror(), **careless("load_throw")}}) as host:
            host.wait_for_line("careless: .*" + WHAT_A_CONSTRUCTOR_THROWS)
            host.wait_until_started("mirror")
            await self.assert_mirror_serves(host)
            self.assertEqual(host.post("/v1/broadcasters/mirror/replace")[0], 200)  # loads and unloads

    async def test_a_reload_that_brings_one_leaves_the_others(self):
        with Host({"broadcasters": mirror()}) as host:
            host.wait_until_started("mirror")
            host.rewrite({"broadcasters": {**mirror(), **careless("load_crash")}})
            status, answer = host.post("/v1/reload")
            self.assertEqual(status, 500, answer)
            self.assertIn("tried in a separate process", str(answer))
            await self.assert_mirror_serves(host)

    def test_check_survives_what_it_finds(self):
        ended = run_host({"broadcasters": {**mirror(), **careless("load_crash")}}, "--check")
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertRegex(ended.stdout, r"broadcasters\.careless: careless_load_crash\.so: tried .* at: load\.")


class SlowTest(unittest.IsolatedAsyncioTestCase):
    """While the library is loaded, the dynamic linker is locked: whoever asks it for something waits."""

    def setUp(self):
        self.hold = os.path.join(self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-hold-")), "hold")
        os.mkfifo(self.hold)
        os.environ["CARELESS_HOLD"] = self.hold
        self.addCleanup(os.environ.pop, "CARELESS_HOLD")
        self.sections = {"server": {"threads": 2, "drain": "2s"}, "deflate": {"enabled": True}}
        self.host = self.enterContext(Host({**self.sections, "broadcasters": mirror()}))
        self.host.wait_until_started("mirror")

    def load_slowly(self):
        """Opened once the library is being loaded; a byte lets it go on."""
        self.host.rewrite({**self.sections, "broadcasters": {**mirror(), **careless("load_slow")}})
        os.kill(self.host.pid, signal.SIGHUP)
        return open(self.hold, "wb", buffering=0)

    async def assert_all_are_served(self):
        for topic in ("signal:vcp", "price:005930", "signal:daytrading", "market:kospi"):  # by all shards
            reader = await Subscriber.connect(self.host, topic)
            self.addAsyncCleanup(reader.leave)
            payload = {"type": "x", "text": "long enough to be deflated " * 20}
            self.assertEqual(self.host.publish(topic, payload)[0], 200)
            await reader.next_of("x")
        for path in ("/livez", "/metrics", "/v1/broadcasters"):
            self.assertEqual(self.host.get(path)[0], 200)

    async def test_a_slow_load_holds_up_nobody_and_serves_once_it_is_through(self):
        with self.load_slowly() as hold:
            await self.assert_all_are_served()
            hold.write(b"x")
        self.host.wait_until_started("careless")

    async def test_a_stop_does_not_wait_for_it(self):
        with self.load_slowly():
            await self.assert_all_are_served()
            self.host.stop()
        self.assertIn("careless: a callback has not returned by the deadline; the host ends without waiting", self.host.log())


if __name__ == "__main__":
    unittest.main()

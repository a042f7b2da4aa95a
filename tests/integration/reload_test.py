#!/usr/bin/python3
"""What operators change while clients stay connected: the YAML read again, broadcasters replaced, restarted,
switched on and off."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import unittest

from host import TEST_PLUGINS, Host, complete, mirror, test_plugin
from subscriber import Subscriber

REPLACEMENTS = int(os.environ["BROADCAST_REPLACEMENTS"])
PROBE = test_plugin("probe", "probe.so")


class ReloadTest(unittest.IsolatedAsyncioTestCase):
    def start(self, broadcasters, **sections):
        host = self.enterContext(Host({"broadcasters": broadcasters, **sections}))
        for name, entry in broadcasters.items():
            if entry.get("enabled", True):
                host.wait_until_started(name)
        return host

    async def connect(self, host, *topics):
        subscriber = await Subscriber.connect(host, *topics)
        self.addAsyncCleanup(subscriber.leave)
        return subscriber

    def expect_done(self, host, path, *steps):
        status, answer = host.post(path)
        self.assertEqual((status, answer["outcome"]), (200, "done"), answer)
        self.assertEqual([(step["name"], step["did"]) for step in answer["broadcasters"]], list(steps))
        return answer

    def publish(self, host, turn):
        status, answer = host.publish("signal:vcp", {"type": "signal_update", "turn": turn})
        self.assertEqual(status, 200, answer)
        return answer["seq"]

    def generation(self, host, name):
        found = json.loads(host.get("/v1/broadcasters")[2])["broadcasters"]
        return next(one for one in found if one["name"] == name)

    async def test_numbers_and_subscribers_stay_when_a_broadcaster_is_replaced(self):
        host = self.start(mirror())
        reader = await self.connect(host, "signal:vcp", "status:mirror")
        for turn in range(1, 4):
            self.assertEqual(self.publish(host, turn), turn)
            self.assertEqual((await reader.next_of("signal_update"))["seq"], turn)
            self.expect_done(host, "/v1/broadcasters/mirror/" + ("replace", "restart", "replace")[turn - 1],
                             ("mirror", ("replaced", "restarted", "replaced")[turn - 1]))
        self.assertEqual(self.publish(host, 4), 4)
        self.assertEqual((await reader.next_of("signal_update"))["seq"], 4)
        seen = self.generation(host, "mirror")
        self.assertEqual((seen["generation"], seen["quarantined"], seen["running"]), (4, [], True))

    async def test_a_library_that_is_another_now_replaces_the_one_that_runs(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-library-"))
        library = os.path.join(directory, "libquotes.so")

        def install(name):  # as a deployment does it: a new file under the old name
            shutil.copyfile(os.path.join(TEST_PLUGINS, name), library + ".new")
            os.replace(library + ".new", library)
        install("probe.so")
        host = self.start({"probe": {"library": library}})
        self.expect_done(host, "/v1/reload")
        install("exclusive.so")
        self.expect_done(host, "/v1/reload", ("probe", "replaced"))
        self.assertEqual(self.generation(host, "probe")["generation"], 2)
        install("undefined_symbol.so")
        status, answer = host.post("/v1/reload")
        self.assertEqual(status, 500, answer)
        self.assertIn("undefined symbol: function_that_nobody_defines", answer["broadcasters"][0]["error"])
        self.assertEqual(self.generation(host, "probe")["generation"], 4, "the third could not be loaded")
        self.assertEqual(host.publish("probe:log", {"do": "publish_twice"})[0], 200)

    async def test_a_library_that_is_copied_over_while_it_runs_harms_nobody(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-library-"))
        library = os.path.join(directory, "libquotes.so")
        shutil.copyfile(os.path.join(TEST_PLUGINS, "probe.so"), library)
        host = self.start({"probe": {"library": library}})
        for damage in (b"", b"\x7fELF", os.urandom(4096)):  # `cp` that is cut off, into the file that was loaded
            with open(library, "r+b") as file:
                file.truncate(0)
                file.write(damage)
            self.assertEqual(host.publish("probe:log", {"do": "publish_twice"})[0], 200)
            self.assertEqual(host.post("/v1/broadcasters/probe/replace")[0], 422)
            self.assertEqual(host.publish("probe:log", {"do": "publish_twice"})[0], 200)
        shutil.copyfile(os.path.join(TEST_PLUGINS, "exclusive.so"), library)
        self.expect_done(host, "/v1/broadcasters/probe/replace", ("probe", "replaced"))
        self.assertEqual(host.publish("probe:log", {"do": "publish_twice"})[0], 200)

    async def test_a_bad_file_changes_nothing_and_says_why(self):
        host = self.start(mirror())
        host.rewrite({"broadcasters": {**mirror(), "price": {"config": {"interval": "20ms"}}}})
        status, answer = host.post("/v1/reload")
        self.assertEqual((status, answer["outcome"]), (422, "invalid"))
        said = "\n".join(answer["errors"])
        self.assertRegex(said, r"host\.yaml:\d+:\d+: broadcasters\.price\.config\.interval: 20ms is below")
        host.rewrite("limits: {message: 10 apples}")
        status, answer = host.post("/v1/reload")
        self.assertEqual(status, 422)
        self.assertRegex(answer["errors"][0], r"limits\.message")
        self.assertEqual(self.publish(host, 1), 1)
        self.assertEqual(self.generation(host, "mirror")["generation"], 1)

    async def test_only_what_differs_is_touched(self):
        host = self.start({**mirror(), **PROBE})
        reader = await self.connect(host, "signal:vcp", "probe:log")
        host.rewrite({"broadcasters": {**mirror(), "heartbeat": {"permissions": ["clients"]}}})
        self.expect_done(host, "/v1/reload", ("probe", "stopped"), ("heartbeat", "started"))
        self.assertEqual(host.publish("probe:log", {})[0], 404)
        self.assertEqual(self.generation(host, "mirror")["generation"], 1)
        host.rewrite({"broadcasters": {**mirror(), "probe": {**PROBE["probe"], "config": {"more": 1}}}})
        self.expect_done(host, "/v1/reload", ("heartbeat", "stopped"), ("probe", "started"))
        await reader.next_of("probe", event="START")
        host.rewrite({"broadcasters": {**mirror(), "probe": {**PROBE["probe"], "config": {"more": 2}}}})
        self.expect_done(host, "/v1/reload", ("probe", "restarted"))
        await reader.next_of("probe", event="START")
        self.expect_done(host, "/v1/reload")

    async def test_settings_hold_from_now_on_and_those_that_cannot_are_named(self):
        host = self.start(mirror(), admin={"listen": "127.0.0.1:0"})
        reader = await self.connect(host, "signal:vcp")
        host.rewrite({"broadcasters": mirror(), "log": {"level": "debug"}, "server": {"threads": 7},
                      "limits": {"topics_per_connection": 2, "topics_per_request": 2, "connections": 1},
                      "relay": ["news:*"], "admin": {"tokens": [{"token": "secret-of-sixteen", "scopes": ["admin"]}]}})
        answer = self.expect_done(host, "/v1/reload")
        self.assertEqual(answer["needs_restart"], ["server.threads"])
        self.assertEqual(answer["settings"], ["admin.tokens", "limits.topics_per_connection",
                                              "limits.topics_per_request", "limits.connections", "relay", "log.level"])
        self.assertEqual(host.post("/v1/reload")[0], 401)
        self.assertEqual(host.publish("news:krx", {"type": "news"}, token="secret-of-sixteen")[0], 200)
        await reader.ask("subscribed", type="subscribe", topic="news:krx")
        await reader.send(type="subscribe", topic="signal:daytrading")
        self.assertEqual((await reader.next_of("error"))["code"], "too_many_topics")
        with self.assertRaises(Exception):
            await Subscriber.connect(host)
        host.rewrite({"broadcasters": mirror()})
        self.assertEqual(host.post("/v1/reload", token="secret-of-sixteen")[0], 200)
        self.assertEqual(host.publish("news:krx", {"type": "news"})[0], 404)
        await self.connect(host, "signal:vcp")

    def test_what_has_no_effect_is_warned_of_again(self):
        host = self.start(mirror(), redis={"url": ""})
        host.rewrite({"broadcasters": mirror(), "redis": {"url": "", "ca": "/x.pem"}})
        self.expect_done(host, "/v1/reload")
        host.wait_for_line("redis.ca: not used: there is no redis.url")

    async def test_a_hangup_reloads(self):
        host = self.start(mirror())
        host.rewrite({"broadcasters": {**mirror(), **PROBE}})
        os.kill(host.pid, signal.SIGHUP)
        host.wait_until_started("probe")
        host.rewrite("limits: {message: 10 apples}")
        os.kill(host.pid, signal.SIGHUP)
        host.wait_for_line(r"not changed: .*limits\.message")
        self.assertEqual(self.publish(host, 1), 1)

    async def test_nobody_waits_while_the_file_is_read(self):
        host = self.start(mirror())
        open_pipe = host.replace_by_pipe()
        reload = asyncio.create_task(asyncio.to_thread(host.post, "/v1/reload"))
        with await asyncio.to_thread(open_pipe) as pipe:
            self.assertEqual(self.publish(host, 1), 1)
            self.assertEqual(host.post("/v1/broadcasters/mirror/restart")[0], 409)
            json.dump(complete({"broadcasters": {}}), pipe)
        self.assertEqual([step["did"] for step in (await reload)[1]["broadcasters"]], ["stopped"])

    async def test_who_asked_is_answered_when_the_host_stops(self):
        host = self.start(mirror())
        open_pipe = host.replace_by_pipe()
        reload = asyncio.create_task(asyncio.to_thread(host.post, "/v1/reload"))
        with await asyncio.to_thread(open_pipe) as pipe:
            host.terminate()
            host.wait_for_line("SIGTERM: stopping")
            json.dump(complete({"broadcasters": {}}), pipe)
        status, answer = await reload
        self.assertEqual((status, answer["error"]), (503, "stopping"), answer)
        host.expect_end()

    async def test_a_file_that_cannot_be_read_to_its_end_holds_up_no_end(self):
        host = self.start(mirror(), server={"drain": "100ms"})
        open_pipe = host.replace_by_pipe()
        os.kill(host.pid, signal.SIGHUP)
        with await asyncio.to_thread(open_pipe):
            host.terminate()
            host.wait_for_line("is still being read; the host ends without waiting")
            self.assertEqual(host.wait(), 0)

    async def test_switching_one_off_and_on(self):
        host = self.start({**mirror(), **PROBE})
        reader = await self.connect(host, "status:mirror", "signal:vcp")
        self.assertEqual(self.publish(host, 1), 1)
        self.expect_done(host, "/v1/broadcasters/mirror/disable", ("mirror", "stopped"))
        await reader.next_of("status", state="disabled")
        self.assertEqual(host.publish("signal:vcp", {})[0], 404)
        self.expect_done(host, "/v1/broadcasters/mirror/disable")
        self.expect_done(host, "/v1/broadcasters/mirror/enable", ("mirror", "started"))
        self.expect_done(host, "/v1/broadcasters/mirror/enable")
        await reader.next_of("status", state="ok")
        self.assertEqual(self.publish(host, 2), 2)
        self.assertEqual((await reader.next_of("signal_update", turn=2))["seq"], 2)

    async def test_what_there_is_not_is_refused(self):
        host = self.start({**mirror(), "price": {"enabled": False}}, admin={
            "tokens": [{"token": "reader-of-all-things", "scopes": ["read"]}, {"token": "boss-of-all-things", "scopes": ["admin"]}]})
        self.assertEqual(host.post("/v1/broadcasters/nobody/restart", "boss-of-all-things")[0], 404)
        self.assertEqual(host.post("/v1/broadcasters/mirror/explode", "boss-of-all-things")[0], 404)
        self.assertEqual(host.post("/v1/broadcasters/mirror/restart", "reader-of-all-things")[0], 403)
        self.assertEqual(host.post("/v1/reload")[0], 401)
        status, answer = host.post("/v1/broadcasters/price/enable", "boss-of-all-things")
        self.assertEqual(status, 422, "mirror owns its topics")
        self.assertIn("already owned by mirror", answer["errors"][0])

    async def test_the_same_file_gives_a_topic_the_same_owner_at_start_and_at_reload(self):
        second = test_plugin("aaa", "second_owner.so")  # claims what probe does
        host = self.start(PROBE)
        host.rewrite({"broadcasters": {**PROBE, **second}})
        status, answer = host.post("/v1/reload")
        self.assertEqual(status, 422)
        self.assertIn("aaa: topic \"probe:{ticker}\" is already owned by probe (probe.so)", answer["errors"][0])
        host.rewrite({"broadcasters": {**second, **PROBE}})
        status, answer = host.post("/v1/reload")
        self.assertEqual((status, answer["broadcasters"]), (422, []))
        self.assertTrue(any("belongs to probe (probe.so), which is running, and would move to aaa (second_owner.so)" in line
                            for line in answer["errors"]), answer)
        self.assertTrue(self.generation(host, "probe")["running"])
        again = self.enterContext(Host({"broadcasters": {**PROBE, **second}}))
        again.wait_until_started("probe")
        again.wait_for_line(r'aaa: topic "probe:\{ticker\}" is already owned by probe \(probe\.so\)')

    async def test_a_topic_goes_over_when_its_owner_is_switched_off(self):
        host = self.start(PROBE)
        host.rewrite({"broadcasters": test_plugin("aaa", "probe.so")})
        self.expect_done(host, "/v1/reload", ("probe", "stopped"), ("aaa", "started"))

    async def test_an_operator_cannot_enable_who_would_take_a_topic(self):
        second = test_plugin("aaa", "second_owner.so")
        host = self.start({"aaa": {**second["aaa"], "enabled": False}, **PROBE})
        status, answer = host.post("/v1/broadcasters/aaa/enable")
        self.assertEqual(status, 422)
        self.assertIn("belongs to probe (probe.so)", answer["errors"][0])

    async def test_a_producer_notices_nothing_of_replacements(self):
        host = self.start(mirror())
        reader = await self.connect(host, "signal:vcp")

        def replace():
            for _ in range(REPLACEMENTS):
                self.expect_done(host, "/v1/broadcasters/mirror/replace", ("mirror", "replaced"))
        replacing = asyncio.create_task(asyncio.to_thread(replace))
        published = 0
        while not replacing.done():
            published += 1
            self.assertEqual(await asyncio.to_thread(self.publish, host, published), published)
            self.assertEqual((await reader.next_of("signal_update"))["seq"], published)
        await replacing
        self.assertEqual(self.generation(host, "mirror")["quarantined"], [])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""Broadcasters whose code crashes the host, again and again: the others serve, and what crashes is left out by itself."""

import os
import signal
import tempfile
import unittest

from host import HOST_BINARY, ConfigFile, Host, mirror, run_host, test_plugin
from process import Process
from redis_test import metric, wait_for_metric
from stream_test import KEY, StreamCase
from subscriber import Subscriber

REFUSED = KEY + ":refused"
REASON = "it has ended the host 3 times, the last time by SIGSEGV in MESSAGE"


def careless(fault, **more):
    return test_plugin("careless", f"careless_{fault}.so", **more)


def hang_and_kill(config):
    """A life that an operator ends by SIGKILL, in the callback of careless_told_hang."""
    with ConfigFile(config) as path:
        host = Process(HOST_BINARY, "--config", path)
        try:
            host.wait_for_line("careless hangs in")
        finally:
            host.kill()
        return host.log()


class CrashCase(unittest.IsolatedAsyncioTestCase):
    def expect_crash(self, config, where):
        """A life that ends by a signal of its plugin's; its output."""
        ended = run_host(config)
        self.assertIn(f"critical the host ends: SIGSEGV in {where}", ended.stdout)
        if "Sanitizer" not in ended.stdout:
            self.assertEqual(ended.returncode, -signal.SIGSEGV, ended.stdout)
        return ended.stdout


class StreamEntryTest(StreamCase, CrashCase):
    def add_raw(self, payload):
        return self.server.client(decode_responses=True).xadd(KEY, {"topic": "careless:log", "payload": payload})

    def crashing(self):
        return self.config({**mirror(), **careless("message_crash")})

    def refused(self):
        return [(fields["id"], fields["reason"]) for _, fields in self.server.client(decode_responses=True).xrange(REFUSED)]

    async def test_the_third_crash_in_an_entry_refuses_it_and_those_behind_it_are_delivered(self):
        self.add("before")
        entry = self.add_raw("[1]")
        self.add("behind")
        self.add_raw("{}")
        for turn in (1, 2, 3):
            output = self.expect_crash(self.crashing(), f"MESSAGE of careless (generation 1), stream entry {entry}")
            if turn > 1:
                self.assertIn(f"stream entry {entry}: {turn - 1} of 3, then it is refused", output)
        with Host(self.crashing()) as host:
            self.assertEqual(await self.published(host, 2), ["before", "behind"])
            wait_for_metric(host, 'broadcast_stream_entries_total{result="handled"}', 2)
            self.assertEqual(metric(host, 'broadcast_stream_entries_total{result="refused"}'), 1)
            self.assertEqual(self.refused(), [(entry, REASON)])
            reader = await Subscriber.connect(host, "status:stream")
            status = await reader.next_where(lambda message: f"entry {entry} is refused" in message.get("detail", ""))
            self.assertIn(REASON, status["detail"])
            self.assertEqual(status["state"], "degraded")
            await reader.leave()
        with Host(self.crashing()) as host:
            self.assertNotIn("the last run of the host ended", host.log())
            self.add("later")
            self.assertEqual(await self.published(host, 3), ["before", "behind", "later"])
            self.assertEqual(len(self.refused()), 1)

    async def test_an_entry_that_breaks_the_instance_counts_for_the_crash_of_its_destroy(self):
        entry = self.add_raw("[1]")
        self.add("behind")
        failing = self.config({**mirror(), **careless("fail_crash")})
        for turn in (1, 2, 3):
            output = self.expect_crash(failing, f"destroy of careless (generation 1), after stream entry {entry}")
            if turn > 1:
                self.assertIn(f"after stream entry {entry}: {turn - 1} of 3, then it is refused", output)
        with Host(failing) as host:
            self.assertEqual(await self.published(host, 1), ["behind"])
            self.assertEqual(self.refused(), [(entry, REASON.replace("MESSAGE", "destroy"))])

    async def test_what_an_operator_kills_in_an_entry_is_never_counted(self):
        self.add_raw("[1]")
        self.add("behind")
        hanging = self.config({**mirror(), **careless("told_hang")})
        for turn in range(5):
            log = hang_and_kill(hanging)
            if turn > 0:
                self.assertIn("the last run of the host was killed, or the machine stopped; this is not counted", log)
        self.assertEqual(self.refused(), [])
        os.environ["CARELESS_CALM"] = "1"
        self.addCleanup(os.environ.pop, "CARELESS_CALM")
        with Host(hanging) as host:
            self.assertEqual(await self.published(host, 1), ["behind"])
            wait_for_metric(host, 'broadcast_stream_entries_total{result="handled"}', 2)


class StartTest(CrashCase):
    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-crash-"))
        self.marker = os.path.join(directory, "state.db.running")
        self.state = {"state": {"path": os.path.join(directory, "state.db")}}
        self.addCleanup(os.environ.pop, "CARELESS_CALM", None)
        self.addCleanup(os.environ.pop, "CARELESS_HANG", None)

    def config(self, fault="start_crash", enabled=True, **more):
        return {"broadcasters": {**mirror(), **careless(fault, enabled=enabled)}, **self.state, **more}

    async def assert_left_out(self, host, by="SIGSEGV in START"):
        host.wait_for_line(r"error careless: left out: it has ended the host while starting \d times in a row, the last time by "
                           f"{by}; to try again, run `broadcastctl broadcaster enable careless`")
        host.wait_until_started("mirror")
        await self.assert_mirror_serves(host)
        reader = await Subscriber.connect(host, "status:careless")
        status = await reader.next_of("status")
        self.assertEqual(status["state"], "down")
        self.assertIn("left out: it has ended the host while starting", status["detail"])
        await reader.leave()

    async def assert_mirror_serves(self, host):
        reader = await Subscriber.connect(host, "signal:vcp")
        self.assertEqual(host.publish("signal:vcp", {"type": "x"})[0], 200)
        await reader.next_of("x")
        await reader.leave()

    def crash_out(self, config):
        for turn in (1, 2, 3):
            output = self.expect_crash(config, "START of careless (generation 1)")
            if turn > 1:
                self.assertIn(f"SIGSEGV in START of careless (generation 1): {turn - 1} of 3 in a row", output)

    async def test_one_that_crashes_in_three_starts_is_left_out_until_it_is_enabled(self):
        self.crash_out(self.config())
        checked = run_host(self.config(), "--check")
        self.assertEqual(checked.returncode, 0, checked.stdout)
        self.assertIn("broadcasters.careless: left out: it has ended the host while starting 3 times in a row", checked.stdout)
        self.assertIn("good, 1 broadcasters on, 0 off", checked.stdout)
        with Host(self.config()) as host:
            await self.assert_left_out(host)
            status, answer = host.post("/v1/reload")  # brings nothing new of it
            self.assertEqual((status, answer["broadcasters"]), (200, []), answer)
            await self.assert_left_out(host)
            with self.assertRaises(ConnectionError):
                host.post("/v1/broadcasters/careless/enable")
            host.wait()
            self.assertIn("the host ends: SIGSEGV in START of careless", host.log())
            host.kill()
        with Host(self.config()) as host:
            await self.assert_left_out(host)
            host.stop()
        os.environ["CARELESS_CALM"] = "1"
        with Host(self.config()) as host:
            await self.assert_left_out(host)
            reader = await Subscriber.connect(host, "status:careless")
            self.assertEqual((await reader.next_of("status"))["state"], "down")
            self.assertEqual(host.post("/v1/reload")[0], 200)  # nothing of it is told
            status, answer = host.post("/v1/broadcasters/careless/enable")
            self.assertEqual((status, answer["outcome"]), (200, "done"), answer)
            self.assertEqual((await reader.next_of("status"))["state"], "ok")
            await reader.leave()
            host.stop()
        with Host(self.config()) as host:
            host.wait_until_started("careless")  # a start that went well has cleared the count
        del os.environ["CARELESS_CALM"]
        self.expect_crash(self.config(), "START of careless (generation 1)")
        self.assertIn(": 1 of 3 in a row", self.expect_crash(self.config(), "START of careless (generation 1)"))

    async def test_one_that_calls_exit_in_three_starts_is_left_out(self):
        for _ in range(3):
            ended = run_host(self.config("start_exit"))
            self.assertIn("critical the host ends: exit() in START of careless (generation 1)", ended.stdout)
            self.assertEqual(ended.returncode, 70, ended.stdout)
        with Host(self.config("start_exit")) as host:
            await self.assert_left_out(host, "exit[(][)] in START")

    async def test_one_that_was_left_out_can_be_switched_off_and_is_tried_when_it_is_switched_on(self):
        self.crash_out(self.config())
        os.environ["CARELESS_CALM"] = "1"
        with Host(self.config()) as host:
            await self.assert_left_out(host)
            status, answer = host.post("/v1/broadcasters/careless/disable")
            self.assertEqual((status, [step["did"] for step in answer["broadcasters"]]), (200, ["switched off"]), answer)
            self.assertEqual(host.get("/readyz")[0], 200)
            reader = await Subscriber.connect(host, "status:careless")
            self.assertEqual((await reader.next_of("status"))["state"], "disabled")
            self.assertEqual(host.post("/v1/reload")[1]["broadcasters"], [])  # ends what the operator wanted; it is left out as before
            self.assertEqual((await reader.next_of("status"))["state"], "down")
            self.assertEqual(host.get("/readyz")[0], 503)
            host.rewrite(self.config(enabled=False))
            self.assertEqual(host.post("/v1/reload")[1]["outcome"], "done")
            self.assertEqual((await reader.next_of("status"))["state"], "disabled")
            host.rewrite(self.config())  # off and on again: that is to be tried
            self.assertEqual([step["did"] for step in host.post("/v1/reload")[1]["broadcasters"]], ["started"])
            self.assertEqual((await reader.next_of("status"))["state"], "ok")
            await reader.leave()

    async def test_plugins_strict_and_the_check_refuse_a_start_that_leaves_one_out(self):
        self.crash_out(self.config())
        strict = self.config(plugins={"strict": True})
        for arguments in ((), ("--check",)):
            ended = run_host(strict, *arguments)
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertIn("careless: left out: it has ended the host while starting 3 times in a row", ended.stdout)

    async def test_another_library_in_its_place_is_tried(self):
        self.crash_out(self.config())
        with Host(self.config()) as host:
            await self.assert_left_out(host)
            host.rewrite({**self.config(), "broadcasters": {**mirror(), **test_plugin("careless", "careful.so")}})
            status, answer = host.post("/v1/reload")
            self.assertEqual((status, answer["outcome"]), (200, "done"), answer)
            host.wait_until_started("careless")

    async def test_without_a_state_file_the_runtime_directory_has_the_marker(self):
        with tempfile.TemporaryDirectory(prefix="broadcast-run-") as directory:
            config = {"broadcasters": {**mirror(), **careless("start_crash")}, "plugins": {"runtime_directory": directory}}
            with ConfigFile(config) as path:
                for _ in range(3):
                    host = Process(HOST_BINARY, "--config", path)
                    self.addCleanup(host.kill)
                    self.assertNotEqual(host.wait(), 0)
                host = Process(HOST_BINARY, "--config", path)
                self.addCleanup(host.kill)
                host.wait_for_line("careless: left out")
                host.wait_for_line("mirror: started")
                host.stop()

    async def test_what_an_operator_kills_in_start_is_never_counted(self):
        os.environ["CARELESS_HANG"] = "1"
        for turn in range(5):
            log = hang_and_kill(self.config("told_hang"))
            if turn > 0:
                self.assertIn("this is not counted", log)
        del os.environ["CARELESS_HANG"]
        with Host(self.config("told_hang")) as host:
            host.wait_until_started("careless")

    @unittest.skipIf(os.environ.get("BROADCAST_SANITIZED") == "thread",
                     "atomics of ThreadSanitizer hold a lock while they fault")
    async def test_a_marker_that_is_damaged_or_cut_costs_what_it_counted_and_nothing_else(self):
        self.expect_crash(self.config(), "START of careless")
        with open(self.marker, "r+b") as file:
            file.write(b"nonsense")
        os.environ["CARELESS_CALM"] = "1"
        with Host(self.config()) as host:
            host.wait_for_line(r"warning .*state\.db\.running: it is not a crash marker of this version; a new one is begun")
            os.truncate(self.marker, 0)
            await self.assert_mirror_serves(host)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""broadcastctl plugin run and dev: a host with one plugin, and what it shows of it."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.request

from ctl import BAD, CTL, run
from process import DEADLINE, Process

TIME = r"^\d\d:\d\d:\d\d\.\d{3} "


class Shown(Process):
    """`with Shown("run", library)`: the plugin serves when the block begins."""

    def __init__(self, command, library, *arguments):
        super().__init__(CTL, "plugin", command, str(library), *arguments)

    def __enter__(self):
        try:
            self.port = self.wait_for_line(r"^publish: curl .*'http://127\.0\.0\.1:(\d+)/v1/publish/").group(1)
            self.wait_for_line(TIME + r'status:\S+ #\d+ .*"state":"ok"')
        except BaseException:
            self.kill()
            raise
        return self

    def publish(self, topic, text):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/publish/{topic}", text.encode(), DEADLINE):
            pass

    def interrupt(self):
        os.kill(self.pid, signal.SIGINT)


class RunTest(unittest.TestCase):
    def test_messages_are_lines(self):
        with Shown("run", BAD / "libmirror.so") as shown:
            shown.publish("signal:vcp", '{"type":"signal_update",\n "name":"삼성전자"}')
            shown.wait_for_line(TIME + r'signal:vcp #1 {"type":"signal_update","name":"삼성전자"}$')
            shown.publish("price:005930", '{"type":"price_update"}')  # of a pattern
            shown.wait_for_line(TIME + r"price:005930 #1 ")
            shown.publish("mirror:report", '{"state":"degraded","detail":"slow"}')
            shown.wait_for_line(TIME + r'status:mirror #\d+ .*"degraded","detail":"slow"')
            shown.publish("mirror:send_all", '{"type":"ping"}')
            shown.wait_for_line(TIME + r'{"type":"ping"}$')

    def test_the_line_to_publish_with_is_a_command(self):
        with Shown("run", BAD / "libmirror.so") as shown:
            command = shown.wait_for_line(r"^publish: (curl .*/signal:vcp')$").group(1)
            self.assertIn('"seq":1', subprocess.run(command.replace("{}", '{"type":"x"}'), shell=True, check=True,
                                                    capture_output=True, text=True, timeout=DEADLINE).stdout)
            shown.wait_for_line(TIME + r'signal:vcp #1 {"type":"x"}$')

    def test_ends_in_order(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with Shown("run", BAD / "libmirror.so") as shown:
                os.kill(shown.pid, number)
                shown.expect_end()
                shown.wait_for_line("stopped: 1 messages published|stopped: 2 messages published")
                self.assertNotIn("The view has ended", shown.log())

    def test_a_config(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "c.yaml"
            for text in ("depth: 11\n", "config: {depth: 11}\n", "broadcasters: {x: {library: careful.so, config: {depth: 11}}}\n"):
                file.write_text(text, encoding="utf-8")
                ended = run("plugin", "run", BAD / "careful.so", "--config", file)
                self.assertEqual(ended.returncode, 1, ended.stderr)
                self.assertRegex(ended.stderr, r"^config\.depth: 11 is above the maximum 9")

    def test_what_does_not_start_is_the_end(self):
        for plugin, why in (("too_new", "plugin ABI 2"), ("undefined_symbol", "is not started: .*function_that_nobody_defines")):
            ended = run("plugin", "run", BAD / f"{plugin}.so")
            self.assertEqual(ended.returncode, 1, ended.stderr)
            self.assertRegex(ended.stderr, why)

    def test_a_crash_names_the_callback(self):
        ended = run("plugin", "run", BAD / "careless_start_crash.so")
        self.assertEqual(ended.returncode, -signal.SIGSEGV, ended.stderr)
        self.assertIn("critical the host ends: SIGSEGV in START of careless (generation 1)", ended.stderr)

    def test_what_the_tool_cannot_do_is_2(self):
        for arguments in (("/nowhere/x.so",), (BAD / "careful.so", "--listen", "here"),
                          (BAD / "careful.so", "--config", "/nowhere.yaml")):
            ended = run("plugin", "run", *arguments)
            self.assertEqual(ended.returncode, 2, ended.stderr)
            self.assertTrue(ended.stderr)


class DevTest(unittest.TestCase):
    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-dev-"))
        self.library = pathlib.Path(directory) / "mine.so"

    def link(self, plugin):
        """As a linker does it: the old file is removed, the new one written in pieces."""
        data = (BAD / f"{plugin}.so").read_bytes()
        self.library.unlink(missing_ok=True)
        with open(self.library, "wb") as file:
            file.write(data[:1000])
            file.flush()
            file.write(data[1000:])

    def rename(self, plugin):
        shutil.copyfile(BAD / f"{plugin}.so", self.library.with_suffix(".new"))
        os.replace(self.library.with_suffix(".new"), self.library)

    def test_what_is_built_replaces_what_runs(self):
        self.link("libmirror")
        with Shown("dev", self.library) as shown:
            for generation, build in ((2, self.link), (3, self.rename)):
                build("libmirror")
                shown.wait_for_line(rf"^replaced: {generation} in \d+\.\d ms$")
                shown.publish("signal:vcp", '{"type":"x"}')
                shown.wait_for_line(TIME + rf"signal:vcp #{generation - 1} ")

    def test_a_broken_file_changes_nothing(self):
        self.link("libmirror")
        with Shown("dev", self.library) as shown:
            for plugin, why in (("too_new", r"plugin ABI 2"), ("no_note", "no manifest")):
                before = shown.line_count()
                self.link(plugin)
                shown.wait_for_line(rf"^not replaced, the old build goes on: .*mine\.so.*{why}", before)
            self.library.write_bytes((BAD / "libmirror.so").read_bytes()[:3000])
            shown.wait_for_line(r"^not replaced, the old build goes on: .*mine\.so.*truncated")
            shown.publish("signal:vcp", '{"type":"x"}')
            shown.wait_for_line(TIME + "signal:vcp #1 ")
            self.link("libmirror")
            shown.wait_for_line(r"^replaced: 2 in ")

    def test_a_build_that_crashes_is_told_and_the_next_one_is_started(self):
        self.link("libmirror")
        with Shown("dev", self.library) as shown:
            before = shown.line_count()
            self.link("careless_start_crash")
            crashed = shown.wait_for_line(r"^crashed: the host was killed by SIGSEGV.* plugin run (\S+)\.", before)
            self.assertEqual(crashed.group(1), str(self.library))
            for _ in range(2):  # and once more after that
                before = shown.line_count()
                self.link("careless_start_crash")
                shown.wait_for_line(r"^crashed: the host was killed by SIGSEGV", before)
            before = shown.line_count()
            self.link("too_new")
            shown.wait_for_line("plugin ABI 2", before)
            before = shown.line_count()
            self.link("libmirror")
            shown.wait_for_line(TIME + r'status:mirror #\d+ .*"state":"ok"', before)

    def test_a_build_that_exits_is_told_and_the_next_one_is_started(self):
        self.link("careless_message_exit")
        with Shown("dev", self.library) as shown:
            with self.assertRaises(OSError):  # nobody is left to answer
                shown.publish("careless:log", '{"type":"x"}')
            shown.wait_for_line(r"^crashed: the host ended by itself with exit code 0\. .* plugin run \S+mine\.so\.")
            before = shown.line_count()
            self.link("libmirror")
            shown.wait_for_line(TIME + r'status:mirror #\d+ .*"state":"ok"', before)

    def test_a_crash_at_the_start_is_told(self):
        self.link("careless_start_crash")
        shown = Shown("dev", self.library)
        self.addCleanup(shown.kill)
        shown.wait_for_line("^crashed: the host was killed by SIGSEGV")
        shown.interrupt()
        self.assertEqual(shown.wait(), 1)

    def test_ends_in_order(self):
        self.link("libmirror")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with Shown("dev", self.library) as shown:
                os.kill(shown.pid, number)
                shown.expect_end()
                shown.wait_for_line(r"stopped: \d messages published")

    def test_topics_that_are_new_are_shown(self):
        self.link("second_owner")
        with Shown("dev", self.library) as shown:
            self.link("libmirror")
            shown.wait_for_line(r"^replaced: 2 in ")
            shown.publish("signal:vcp", '{"type":"x"}')
            shown.wait_for_line(TIME + "signal:vcp #1 ")

    def test_what_does_not_start_may_be_mended(self):
        self.link("undefined_symbol")
        shown = Shown("dev", self.library)
        self.addCleanup(shown.kill)
        shown.wait_for_line("function_that_nobody_defines")
        self.link("libmirror")
        shown.wait_for_line(r"^replaced: \d+ in ")
        shown.stop()


if __name__ == "__main__":
    unittest.main()

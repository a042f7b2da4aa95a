#!/usr/bin/python3
"""broadcastctl plugin inspect and check: good plugins pass, and each fault is found by the check that is there for it."""

import json
import os
import pathlib
import tempfile
import unittest

from ctl import BAD, BROADCASTERS, SHIPPED, check, run, shipped
from host import Host, test_plugin

STEPS = ("symbols", "load", "cycles", "stop", "fence", "fuzz-config", "fuzz-messages")


class Checks(unittest.TestCase):
    def expect_failure(self, library, name, pattern, *arguments):
        code, checks = check(library, *arguments)
        self.assertEqual(code, 1, checks)
        self.assertEqual(checks[name]["result"], "fail", checks)
        self.assertRegex(checks[name]["text"], pattern)
        self.assertTrue(checks[name]["text"].startswith(library.name), checks[name])
        return checks

    def expect_careless(self, fault, step, name, pattern, *arguments):
        return self.expect_failure(BAD / f"careless_{fault}.so", name, pattern, "--only", step, "--deadline", "2s", *arguments)


class FaultTest(Checks):
    def test_a_thread_left_behind(self):
        self.expect_careless("thread", "cycles", "threads", r"left threads behind: .*Join them")

    def test_descriptors(self):
        self.expect_careless("descriptor", "cycles", "descriptors", r"/dev/null \(20 more\)")

    def test_memory(self):
        self.expect_careless("memory", "cycles", "heap", r"82\d\d bytes more are allocated after each life")

    def test_a_signal_handler(self):
        self.expect_careless("signal", "cycles", "signals", "SIGUSR1")

    def test_publishes_that_every_host_refuses(self):
        self.expect_careless("publish", "load", "publishes",
                             r'1 of its 1 publishes were refused: publish on careless:log refused: it has no "type"')

    def test_a_message_that_is_taken_though_what_is_published_of_it_is_refused(self):
        self.expect_careless("message_publish", "fuzz-messages", "fuzz-messages", r"message 1 on careless:log: .*: accepted, but .*not JSON")

    def test_what_it_posts_to_itself_without_end(self):
        self.expect_careless("post", "fence", "fence", r"posts to itself without end: one callback led to 100000 POST")
        self.expect_careless("post", "load", "pace", r"had \d{4,} POST in its first 0\.5 s")

    def test_a_timer_that_spins(self):
        self.expect_careless("timer", "load", "pace", r"had \d{4,} TIMER in its first 0\.5 s")

    def test_processes_that_it_leaves(self):
        with tempfile.TemporaryDirectory() as directory:
            orphans = pathlib.Path(directory) / "orphans"
            os.environ["CARELESS_ORPHANS"] = str(orphans)
            self.addCleanup(os.environ.pop, "CARELESS_ORPHANS")
            self.expect_careless("fork", "cycles", "processes", r"bc:careless \(\d+ more\)\. Do not fork", "--cycles", 2)
            started = [int(line) for line in orphans.read_text().split()]
            self.assertGreaterEqual(len(started), 20)
            for process in started:
                self.assertFalse(os.path.exists(f"/proc/{process}"), "an orphan outlives the check")

    def test_a_step_takes_no_more_than_its_time(self):
        self.expect_failure(BAD / "careless_start_hang.so", "load", r"did not finish within 2 s and was killed at: load, create",
                            "--only", "load", "--deadline", "60s", "--limit", "2s")

    def test_a_step_takes_no_more_than_its_memory(self):
        self.expect_careless("hoard", "load", "load", r"took more than 600 MiB of memory and was killed", "--memory", "600MiB")

    def test_what_it_changes_for_everybody_during_a_life(self):
        """Each is put back in STOP."""
        for number, found in enumerate((r"locale \(C, now C\.UTF-8\)", r"directory \(\S+, now /\)", r"umask \(\d+, now 0000\)",
                                        r"limit NOFILE \(", r"descriptor 2 \(.*, now closed\)", r"alarm \(not armed, now armed\)",
                                        r"environment variable CARELESS\.")):
            checks = self.expect_careless("setting", "cycles", "settings", "changes for the whole process: " + found,
                                          "--cycles", 1, "--config-json", json.dumps({"depth": number}))
            self.assertNotIn("secret", checks["settings"]["text"])
        self.expect_careless("setting", "cycles", "signals", "SIGPIPE", "--cycles", 1, "--config-json", '{"depth": 7}')

    def test_what_its_first_timer_changes_for_everybody(self):
        self.expect_careless("timer_setting", "load", "settings", r"changes for the whole process: locale \(C, now C\.UTF-8\)")

    def test_output(self):
        self.expect_careless("output", "load", "output", r'writes to standard output or error, in step load: "careless was here')

    def test_a_stop_that_never_returns(self):
        self.expect_careless("stop", "stop", "stop", r"not over 2\.0 s after it was asked to stop")

    def test_a_stop_while_a_callback_blocks(self):
        self.expect_careless("message_hang", "stop", "stop", r"not over 2\.0 s after it was asked to stop")

    def test_a_message_that_is_never_answered(self):
        self.expect_careless("message_hang", "fuzz-messages", "fuzz-messages", r"message 1 on careless:log: .*no answer in 2\.0 s")

    def test_a_plugin_whose_every_publish_is_refused(self):
        self.expect_careless("message_refused", "fuzz-messages", "fuzz-messages",
                             r'all of the \d+ messages that it published were refused: .*"topic" or "seq" at its top level')
        self.expect_failure(BAD / "careless_message_refused.so", "fuzz-messages",
                            r'message 1 on careless:log: {"a":1}: it is a --message, but what the plugin published for it was refused: .*"topic" or "seq"', "--only", "fuzz-messages", "--message", '{"a":1}')

    def test_an_exception_across_the_border(self):
        self.expect_careless("throw", "fence", "fence",
                             r"MESSAGE on careless:log with .*: an exception left the plugin: nobody has caught this")
        self.expect_careless("throw", "fuzz-messages", "fuzz-messages", r"failed on this message.*--seed 7")

    def test_an_exception_out_of_destroy(self):
        self.expect_failure(BAD / "throws_in_destroy.so", "fence", "destroy: an exception left", "--only", "fence")

    def test_a_crash_is_a_finding(self):
        for fault, step, where in (("start_crash", "load", "START"),
                                   ("config_crash", "fuzz-config", r'CONFIG, config {"depth":\d}'),
                                   ("message_crash", "fuzz-messages", r"message \d+ on careless:log: \[")):
            self.expect_careless(fault, step, step, rf"killed by SIGSEGV at: .*{where}.*gdb --args broadcastctl plugin check-step {step}")

    def test_an_exit_is_a_finding(self):
        self.expect_careless("message_exit", "fuzz-messages", "fuzz-messages", "ended by itself with exit code 0 at: message 1")

    def test_a_start_that_hangs(self):
        self.expect_careless("start_hang", "load", "load", "START has not returned in time")

    def test_what_cannot_run_is_not_run(self):
        checks = self.expect_failure(BAD / "careless_start_crash.so", "load", "SIGSEGV")
        for step in ("cycles", "stop", "fence", "fuzz-config", "fuzz-messages"):
            self.assertEqual(checks[step]["result"], "skip")
            self.assertTrue(checks[step]["text"])


class GoodTest(Checks):
    def test_good_plugins_pass_every_check(self):
        for library in (*map(shipped, ("heartbeat", "vcp_signal")), BAD / "careful.so", BAD / "thread_local.so",
                        BAD / "libfenced_static.so", *(SHIPPED.parent / "sdk/examples").glob("libc_echo.so")):
            code, checks = check(library, "--cycles", 5)
            self.assertEqual(code, 0, checks)
            self.assertLess(set(STEPS), set(checks))
            self.assertEqual(checks["cycles"]["result"], "pass")

    def test_shipped_plugins_take_any_message(self):
        for name in BROADCASTERS:
            code, checks = check(shipped(name), "--only", "fuzz-messages", "--message",
                                 '{"signals":[{"ticker":"005930","name":"A","checks":[{"name":"v","status":"passed","points":1}]}]}')
            self.assertEqual(code, 0, checks)


class FileTest(Checks):
    def test_symbols(self):
        checks = self.expect_failure(BAD / "careless_exports.so", "exports", "careless_helper.*broadcast_add_plugin", "--only", "cycles")
        self.assertRegex(checks["unique"]["text"], r"1 STB_GNU_UNIQUE symbols \(shared_by_all\)")
        self.assertRegex(checks["cycles"]["text"], "still mapped after destroy")
        self.expect_failure(BAD / "undefined_symbol.so", "symbols", r"nothing provides \(function_that_nobody_defines\)", "--only", "symbols")

    def test_what_its_file_says(self):
        for plugin, name, pattern in (("no_entry", "elf", "exports no bc_plugin_entry"),
                                      ("no_note", "elf", "carries no manifest"),
                                      ("too_new", "manifest", "built for plugin ABI 2; this host speaks ABI 1"),
                                      ("wants_replay", "requires", r'needs host service "bc.replay/1"')):
            code, checks = check(BAD / f"{plugin}.so")
            self.assertEqual(code, 1)
            self.assertRegex(checks[name]["text"], pattern)
            self.assertEqual(checks["load"]["result"], "skip")

    def test_a_library_under_a_name_that_the_host_has(self):
        self.expect_failure(BAD / "same_name.so", "libraries", r"own_libraries/libfmt\.so\.9 \(the host has /\S*/libfmt\.so\.9", "--only", "symbols")

    def test_a_library_that_is_nowhere(self):
        checks = self.expect_failure(BAD / "needs_gone.so", "symbols", "needs a library that is not here: libgone.so.1: cannot open")
        self.assertEqual(checks["load"]["result"], "skip")

    def test_a_library_that_an_absolute_path_finds(self):
        code, checks = check(BAD / "own_absolute.so", "--only", "symbols")
        self.assertEqual((code, checks["symbols"]["result"]), (0, "pass"), checks)

    def test_members_that_nobody_knows(self):
        self.expect_failure(BAD / "misspelt.so", "members", r"no host knows exclusiv, topics\[0\]\.matsch", "--only", "symbols")

    def test_an_executable_stack(self):
        self.expect_failure(BAD / "executable_stack.so", "stack", "asks for an executable stack", "--only", "symbols")

    def test_a_manifest_of_brackets(self):
        """It must not be the end of who reads it."""
        checks = self.expect_failure(BAD / "deep_manifest.so", "manifest", "nested deeper than 128 levels")
        self.assertEqual(checks["load"]["result"], "skip")
        self.assertEqual(run("plugin", "inspect", BAD / "deep_manifest.so").returncode, 1)

    def test_everything_that_is_wrong_with_a_schema(self):
        self.expect_failure(BAD / "bad_schema.so", "schema", r'/oneOf: unknown schema keyword.*/properties/a/default: expected integer')

    def test_a_truncated_file(self):
        with tempfile.TemporaryDirectory() as directory:
            cut = pathlib.Path(directory) / "cut.so"
            cut.write_bytes(shipped("heartbeat").read_bytes()[:3000])
            self.expect_failure(cut, "elf", "truncated: segment ends at")

    def test_a_config_is_checked_first(self):
        self.expect_failure(BAD / "careful.so", "config", "/depth: 10 is above the maximum 9", "--config-json", '{"depth": 10}')
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "c.yaml"
            for text in ("depth: 11\n", "broadcasters: {x: {library: careful.so, config: {depth: 11}}}\n"):
                file.write_text(text, encoding="utf-8")
                self.expect_failure(BAD / "careful.so", "config", "11 is above the maximum 9", "--config", file)

    def test_a_file_is_named_once(self):
        for step in ("load", "cycles", "stop", "fence"):
            checks = self.expect_failure(BAD / "bad_magic.so", step, "BC_MAGIC", "--only", step)
            self.assertEqual(checks[step]["text"].count("bad_magic.so"), 1, checks)

    def test_the_same_seed_finds_the_same(self):
        texts = {check(BAD / "careless_throw.so", "--only", "fence")[1]["fence"]["text"] for _ in range(2)}
        self.assertEqual(len(texts), 1)

    def test_a_seed_is_always_named(self):
        ended = run("plugin", "check", BAD / "careful.so", "--only", "symbols")
        self.assertEqual(ended.returncode, 0)
        self.assertRegex(ended.stdout, r"careful\.so: good \(seed \d+\)\n$")

    def test_what_the_tool_cannot_do_is_2(self):
        for arguments in ((), ("plugin",), ("plugin", "check"), ("plugin", "check", "/nowhere/x.so"),
                          ("plugin", "inspect", "/nowhere/x.so"),
                          ("plugin", "check", BAD / "careful.so", "--config-json", "[]"),
                          ("plugin", "check", BAD / "careful.so", "--deadline", "soon"),
                          ("plugin", "check", BAD / "careful.so", "--only", "luck")):
            ended = run(*arguments)
            self.assertEqual(ended.returncode, 2, arguments)
            self.assertTrue(ended.stderr, arguments)


class OwnLibraryTest(Checks):
    """Where memory is the C library's: a sanitizer has its own."""

    def test_a_library_of_its_own_comes_before_the_hosts(self):
        code, checks = check(BAD / "own_library.so", "--cycles", 2)
        self.assertEqual(code, 0, checks)
        self.assertRegex(checks["libraries"]["text"], "1 of its own")
        with Host({"broadcasters": test_plugin("own", "own_library.so")}) as host:
            maps = pathlib.Path(f"/proc/{host.pid}/maps")
            self.assertIn("/libhiredis.so.0", maps.read_text())
            host.wait_until_started("own")
            self.assertRegex(maps.read_text(), r"bc:own#\d+:libhiredis\.so\.99")


class InspectTest(unittest.TestCase):
    def test_a_manifest(self):
        ended = run("plugin", "inspect", shipped("price"))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        for part in ("price 1.0.0 (libprice.so)", "ABI", "price:{ticker} (latest)", "bc.demand/1", "sources[].type"):
            self.assertIn(part, ended.stdout)

    def test_as_json(self):
        said = json.loads(run("plugin", "inspect", shipped("heartbeat"), "--json").stdout)
        self.assertEqual((said["name"], said["abi"], said["permissions"]), ("heartbeat", "1.0", ["clients"]))
        self.assertEqual(said["config"][0]["key"], "interval")

    def test_a_plugin_for_a_newer_host(self):
        said = json.loads(run("plugin", "inspect", BAD / "wants_replay.so", "--json").stdout)
        self.assertEqual(said["requires"], ["bc.replay/1"])

    def test_runs_none_of_its_code(self):
        """One that could not even be loaded is read all the same."""
        self.assertEqual(run("plugin", "inspect", BAD / "undefined_symbol.so").returncode, 0)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""Broadcasters that are switched off, broken or in each other's way: the others never notice."""

import os
import shutil
import tempfile
import unittest

from host import PLUGINS, Host, mirror, run_host, test_plugin
from subscriber import Subscriber

SIGNALS = {"vcp_signal": {}, "daytrading_signal": {}}


class SwitchingTest(unittest.IsolatedAsyncioTestCase):
    def start(self, broadcasters, **sections):
        return self.enterContext(Host({"broadcasters": broadcasters, **sections}))

    async def connect(self, host, *topics):
        subscriber = await Subscriber.connect(host, *topics)
        self.addAsyncCleanup(subscriber.leave)
        return subscriber

    def library(self, make):
        """A file of our own that `make` fills; its path."""
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-library-"))
        path = os.path.join(directory, "libvcp_signal.so")
        make(path)
        return path

    def truncated(self):
        def make(path):
            shutil.copyfile(os.path.join(PLUGINS, "libvcp_signal.so"), path)
            os.truncate(path, 3000)
        return self.library(make)

    async def test_switched_off_it_serves_nothing_and_says_so(self):
        host = self.start({**SIGNALS, "vcp_signal": {"enabled": False}})
        reader = await self.connect(host, "status:vcp_signal", "signal:vcp", "signal:daytrading")
        status = await reader.next_of("status")
        self.assertEqual((status["broadcaster"], status["state"]), ("vcp_signal", "disabled"))
        self.assertEqual((await reader.next_of("error"))["code"], "unknown_topic")
        self.assertEqual((await reader.next_of("subscribed"))["topic"], "signal:daytrading")
        self.assertEqual(host.publish("signal:vcp", [])[0], 404)

    async def test_switched_on_it_serves(self):
        host = self.start({**SIGNALS, "vcp_signal": {"enabled": True}})
        host.wait_until_started("vcp_signal")
        self.assertEqual(host.publish("signal:vcp", [])[0], 200)

    async def assert_only_vcp_is_down(self, host, says):
        host.wait_for_line(says)
        host.wait_until_started("daytrading_signal")
        reader = await self.connect(host, "status:vcp_signal", "signal:vcp")
        self.assertEqual((await reader.next_of("status"))["state"], "down")
        self.assertEqual((await reader.next_of("error"))["code"], "unknown_topic")
        self.assertEqual(host.publish("signal:daytrading", [])[0], 200)

    async def test_a_truncated_library_keeps_nobody_from_starting(self):
        host = self.start({**SIGNALS, "vcp_signal": {"library": self.truncated()}})
        await self.assert_only_vcp_is_down(host, r"libvcp_signal\.so: truncated: segment ends at \d+, file has 3000")

    async def test_a_file_that_is_no_library_keeps_nobody_from_starting(self):
        def make(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write("hello")
        host = self.start({**SIGNALS, "vcp_signal": {"library": self.library(make)}})
        await self.assert_only_vcp_is_down(host, r"libvcp_signal\.so: ")

    async def test_one_bad_library_of_every_kind_keeps_nobody_from_starting(self):
        def of_another_machine(path):
            shutil.copyfile(os.path.join(PLUGINS, "libvcp_signal.so"), path)
            with open(path, "r+b") as file:
                file.seek(18)  # e_machine
                file.write(b"\xf3\x00")  # RISC-V
        bad = {"too_new": (test_plugin("quotes", "too_new.so"), "built for plugin ABI 2; this host speaks ABI 1"),
               "too_old": (test_plugin("quotes", "too_old.so"), "built for plugin ABI 0"),
               "no_entry": (test_plugin("minimal", "no_entry.so"), "bc_plugin_entry"),
               "undefined_symbol": (test_plugin("minimal", "undefined_symbol.so"),
                                    "undefined symbol: function_that_nobody_defines"),
               "wants_replay": (test_plugin("quotes", "wants_replay.so"), "bc.replay/1"),
               "foreign": ({"vcp_signal": {"library": self.library(of_another_machine)}}, "ELF for riscv, this host is x86-64")}
        for name, (entry, says) in bad.items():
            with self.subTest(name), Host({"broadcasters": {"daytrading_signal": {}, **entry}}) as host:
                host.wait_for_line(says)
                host.wait_until_started("daytrading_signal")
                self.assertEqual(host.publish("signal:daytrading", [])[0], 200)
                (broadcaster,) = entry
                reader = await Subscriber.connect(host, f"status:{broadcaster}")
                while (await reader.next_of("status"))["state"] != "down":
                    pass
                await reader.leave()

    async def test_a_missing_library_keeps_nobody_from_starting(self):
        host = self.start({**SIGNALS, "vcp_signal": {"library": "libnowhere.so"}})
        await self.assert_only_vcp_is_down(host, r"libnowhere\.so.*")

    async def test_a_bad_config_keeps_nobody_from_starting(self):
        host = self.start({**SIGNALS, "vcp_signal": {"config": {"colour": "red"}}})
        await self.assert_only_vcp_is_down(host, r"broadcasters\.vcp_signal\.config.*colour")

    async def test_a_permission_that_is_not_given_is_named(self):
        host = self.start({**SIGNALS, "heartbeat": {}})
        host.wait_for_line(r'heartbeat: asks for "bc\.clients/1"; grant it with '
                           r'broadcasters\.heartbeat\.permissions: \[clients\]')
        reader = await self.connect(host, "status:heartbeat")
        self.assertEqual((await reader.next_of("status"))["state"], "down")

    async def test_a_topic_has_one_owner_and_the_other_is_named(self):
        host = self.start({**mirror(), "price": {}})
        host.wait_for_line(r'price: topic "price:\{ticker\}" is already owned by mirror \(libmirror\.so\)')
        host.wait_until_started("mirror")
        self.assertEqual(host.publish("price:005930", '{"type":"price_update"}')[0], 200)

    def test_strict_makes_it_fatal(self):
        for broken, says in (({"library": self.truncated()}, "truncated"),
                             ({"library": "libnowhere.so"}, "libnowhere.so"),
                             ({"config": {"colour": "red"}}, "colour")):
            ended = run_host({"broadcasters": {**SIGNALS, "vcp_signal": broken}, "plugins": {"strict": True}})
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertIn(says, ended.stdout)

    def test_strict_starts_what_is_whole(self):
        host = self.start(SIGNALS, plugins={"strict": True})
        host.wait_until_started("vcp_signal")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""broadcastctl reload and broadcaster: what a host that runs is told, what it answers, and the exit code."""

import os
import shutil
import tempfile
import unittest

from ctl import run
from host import TEST_PLUGINS, Host, mirror, test_plugin
from server import free_port


class OperateTest(unittest.TestCase):
    def start(self, broadcasters, **sections):
        host = self.enterContext(Host({"broadcasters": broadcasters, **sections}))
        for name in broadcasters:
            host.wait_until_started(name)
        return host

    def expect(self, code, said, wrong, *command, **options):
        ended = run(*command, **options)
        self.assertEqual(ended.returncode, code, ended.stdout + ended.stderr)
        self.assertRegex(ended.stdout, said)
        self.assertRegex(ended.stderr, wrong)

    def test_a_reload_says_what_it_did_and_what_needs_a_restart(self):
        host = self.start(mirror())
        admin = ("--admin", f"127.0.0.1:{host.admin_port}")
        self.expect(0, "^nothing to change\n$", "^$", "reload", *admin)
        host.rewrite({"broadcasters": test_plugin("probe", "probe.so"), "limits": {"outbox": "2MiB"},
                      "server": {"threads": 1}})
        self.expect(0, "^mirror: stopped\nprobe: started\nchanged: limits.outbox\n"
                       "takes effect after a restart: server.threads\n$", "^$", "reload", *admin)

    def test_a_reload_says_all_that_is_wrong_with_the_yaml(self):
        host = self.start(mirror())
        host.rewrite({"limits": {"outbox": "much", "topics": "many"}})
        self.expect(1, "^$", r"yaml:\d+:\d+: limits\.outbox: .*\n.*yaml:\d+:\d+: limits\.topics: .*\nNothing was changed\.\n$",
                    "reload", "--admin", f"127.0.0.1:{host.admin_port}")

    def test_broadcasters_one_by_one(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-library-"))
        library = os.path.join(directory, "probe.so")
        shutil.copyfile(os.path.join(TEST_PLUGINS, "probe.so"), library)
        host = self.start({"probe": {"library": library}})
        admin = ("--admin", f"127.0.0.1:{host.admin_port}")
        self.expect(0, r"^probe +ok +\S+ generation 1\n$", "^$", "broadcaster", "list", *admin)
        for action, did in (("restart", "restarted"), ("replace", "replaced"), ("disable", "stopped"),
                            ("disable", "nothing to change"), ("forget-state", "nothing to change"), ("enable", "started")):
            self.expect(0, f"^(probe: )?{did}\n$", "^$", "broadcaster", action, "probe", *admin)
        self.expect(1, "^$", "^probe: it is running and may keep another state; disable it first\nNothing was changed.\n$",
                    "broadcaster", "forget-state", "probe", *admin)
        with open(library, "wb") as file:
            file.write(b"not a library")
        self.expect(1, "^$", r"^probe\.so: .*ELF.*\nNothing was changed\.\n$", "broadcaster", "replace", "probe", *admin)
        self.expect(2, "^$", "no such broadcaster", "broadcaster", "restart", "nobody", *admin)

    def test_topics_of_nobody_are_forgotten(self):
        relay = {"broadcasters": mirror(), "relay": [{"topic": "news:*", "delivery": "all"}]}
        host = self.start(**relay)
        admin = ("--admin", f"127.0.0.1:{host.admin_port}")
        for number in range(3):
            self.assertEqual(host.publish(f"news:{number}", {"type": "x"})[0], 200)
        self.expect(1, "^$", "^news:1 is kept: it belongs to relay\n$", "topic", "forget", "news:1", *admin)
        host.rewrite({"broadcasters": mirror()})
        self.expect(0, "^changed: relay\n$", "^$", "reload", *admin)
        self.expect(0, "^forgotten: 1\n$", "^$", "topic", "forget", "news:1", *admin)
        self.expect(0, "^forgotten: 2\n$", "^$", "topic", "forget", "news:*", *admin)
        self.expect(2, "^$", "There is no topic", "topic", "forget", "news:1", *admin)
        self.expect(2, "^$", "expected a topic such as", "topic", "forget", "news:*:all", *admin)
        host.rewrite(relay)
        self.expect(0, "^changed: relay\n$", "^$", "reload", *admin)
        self.assertEqual(host.publish("news:1", {"type": "x"})[1]["seq"], 2)

    def test_a_token(self):
        host = self.start(mirror(), admin={"tokens": [{"token": "good-good-good-good", "scopes": ["admin", "read"]},
                                                      {"token": "reads-reads-reads", "scopes": ["read"]}]})
        admin = ("--admin", f"127.0.0.1:{host.admin_port}")
        self.expect(2, "^$", r"^127\.0\.0\.1:\d+: .*--token, or ADMIN_TOKEN", "reload", *admin)
        for token in ("wrong", "reads-reads-reads"):
            self.expect(2, "^$", "--token, or ADMIN_TOKEN", "reload", *admin, "--token", token)
        self.expect(0, "^mirror ", "^$", "broadcaster", "list", *admin, "--token", "reads-reads-reads")
        variable = os.environ | {"ADMIN_TOKEN": "good-good-good-good"}
        self.expect(0, "nothing to change", "^$", "reload", *admin, env=variable)
        self.expect(2, "^$", "--token, or ADMIN_TOKEN", "reload", *admin, "--token", "reads-reads-reads", env=variable)
        self.expect(0, "nothing to change", "^$", "reload", *admin, "--token", "good-good-good-good",
                    env=os.environ | {"ADMIN_TOKEN": "wrong"})

    def test_a_host_that_is_not_there(self):
        self.expect(2, "^$", r"^127\.0\.0\.1:\d+: Connection refused\. Is the host running",
                    "reload", "--admin", f"127.0.0.1:{free_port()}")
        self.expect(2, "^$", "expected host:port", "reload", "--admin", "5112")

    def test_what_is_not_an_admin_listener(self):
        host = self.start(mirror())
        self.expect(2, "^$", r"no JSON: that is not a broadcast-host's admin\.listen",
                    "reload", "--admin", f"127.0.0.1:{host.port}")


if __name__ == "__main__":
    unittest.main()

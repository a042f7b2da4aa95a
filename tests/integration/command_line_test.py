#!/usr/bin/python3
"""What the binary says and how it ends: --check, ports, tokens."""

import os
import pathlib
import re
import signal
import socket
import sqlite3
import tempfile
import unittest

from host import HOST_BINARY, ConfigFile, Host, mirror, run_host, test_plugin
from process import Process, run
from server import free_port
from raw_websocket import RawSocket

CONFIG = pathlib.Path(__file__).parents[2] / "config"
GOOD = {"broadcasters": {"price": {}, "heartbeat": {"permissions": ["clients"]}, "vcp_signal": {"enabled": False}}}
BAD = """
server: {listen: nowhere, patth: /ws}
limits: {message: 10 apples}
broadcasters:
  price: {enabled: perhaps}
"""
SCANNER = "scanner-secret-token"


class CheckTest(unittest.TestCase):
    def test_a_good_file(self):
        ended = run_host(GOOD, "--check")
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertIn("good, 2 broadcasters on, 1 off", ended.stdout)

    def shipped_file(self, name):
        """A copy on free ports."""
        text = (CONFIG / name).read_text(encoding="utf-8")
        return self.enterContext(ConfigFile(re.sub(r":511[12]\b", ":0", text)))

    def test_the_production_file_needs_its_variables_and_is_good_with_them(self):
        command = (HOST_BINARY, "--config", self.shipped_file("production.yaml"), "--check")
        needed = {"ADMIN_TOKEN": "admin-secret-token", "SCANNER_TOKEN": SCANNER,
                  "DATABASE_URL": "postgresql+psycopg2://dashboard:x@127.0.0.1/dashboard",
                  "STATE_DIRECTORY": self.enterContext(tempfile.TemporaryDirectory())}
        keys = {"KIWOOM_APP_KEY": "0123", "KIWOOM_SECRET_KEY": "4567"}
        mock = {"USE_MOCK": "true", "KIWOOM_MOCK_APP_KEY": "89", "KIWOOM_MOCK_SECRET_KEY": "true"}
        other = {"CELERY_BROKER_URL": "amqp://rabbit", "REDIS_URL": "redis://127.0.0.1"}
        for variables in (needed | keys, needed | keys | {"USE_KIWOOM_REST": "true"}, needed | mock, needed | keys | other):
            ended = run("env", *(f"{name}={value}" for name, value in variables.items()), *command)
            self.assertEqual(ended.returncode, 0, ended.stdout)
            self.assertIn("good, 5 broadcasters on, 0 off", ended.stdout)
            self.assertEqual("CELERY_BROKER_URL from the environment is not a Redis URL" in ended.stdout, variables == needed | keys | other)
        for missing in ({}, {"KIWOOM_APP_KEY": "0123"}):
            ended = run("env", *(f"{name}={value}" for name, value in (needed | missing).items()), *command)
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertRegex(ended.stdout, r"broadcasters\.price: CONFIG failed .*: sources: kiwoom_ws: (app|secret)_key: is empty")
        del needed["STATE_DIRECTORY"]
        ended = run("env", *(f"-u{name}" for name in needed), *command)
        self.assertEqual(ended.returncode, 1)
        for name in needed:
            self.assertIn(f"environment variable {name} is not set", ended.stdout)
        ended = run("env", *(f"{name}={value}" for name, value in needed.items()), "USE_KIWOOM_REST=perhaps", *command)
        self.assertRegex(ended.stdout, r'sources\[1\]\.enabled: expected boolean, got "perhaps"')

    def test_the_reference_file_is_good(self):
        ended = run(HOST_BINARY, "--config", self.shipped_file("reference.yaml"), "--check")
        self.assertEqual(ended.returncode, 0, ended.stdout)

    def test_a_bad_file_is_told_everything_at_once(self):
        ended = run_host(BAD, "--check")
        self.assertEqual(ended.returncode, 1, ended.stdout)
        for says in (":2:", "server.listen", "patth", "path", ":3:", "limits.message", ":5:",
                     "broadcasters.price.enabled"):
            self.assertIn(says, ended.stdout)

    def test_a_bad_file_does_not_start_either(self):
        self.assertEqual(run_host(BAD).returncode, 1)

    def test_a_broadcasters_own_config_is_checked_with_its_place(self):
        for config, says in (({"interval": "20ms"}, "broadcasters.price.config.interval: 20ms is below the minimum 100ms "
                                                      "(schema of libprice.so).\n"),
                             ({"tickers": ["005930", 7]}, "broadcasters.price.config.tickers[1]"),
                             ({"intervall": "5s"}, "intervall")):
            ended = run_host({"broadcasters": {"price": {"config": config}}}, "--check")
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertIn(says, ended.stdout)
            self.assertRegex(ended.stdout, r"host\.yaml:\d+:\d+: ")

    def test_a_file_that_is_not_there(self):
        ended = run(HOST_BINARY, "--config", "/nowhere/host.yaml", "--check")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("/nowhere/host.yaml", ended.stdout)

    def test_without_a_file(self):
        ended = run(HOST_BINARY)
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("--config", ended.stdout)

    def test_version(self):
        ended = run(HOST_BINARY, "--version")
        self.assertEqual(ended.returncode, 0)
        self.assertRegex(ended.stdout, r"^broadcast-host \d+\.\d+\.\d+")


class PortTest(unittest.TestCase):
    def test_a_port_in_use_is_named_with_a_way_out(self):
        with Host({"broadcasters": {}}) as host:
            for section, port in (("server", host.port), ("admin", host.admin_port)):
                ended = run_host({section: {"listen": f"127.0.0.1:{port}"}, "broadcasters": {}})
                self.assertEqual(ended.returncode, 1, ended.stdout)
                self.assertIn(f"{section}.listen: 127.0.0.1:{port}: Address already in use", ended.stdout)
                self.assertRegex(ended.stdout, r"another port")


class StartCheckTest(unittest.TestCase):
    """--check finds what a start finds: each of these is run both ways."""

    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())

    def expect_both(self, config, says):
        """The start says it, and so does --check."""
        for arguments in ((), ("--check",)):
            ended = run_host(config, *arguments)
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertIn(says, ended.stdout)
        return ended.stdout

    def state(self, path):
        return {"state": {"path": path}, "broadcasters": {}}

    def file(self, name, content=b""):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_the_directory_of_the_state_file(self):
        path = os.path.join(self.directory, "missing", "state.db")
        self.expect_both(self.state(path), f"state.path: {path}: its directory does not exist; create it")
        os.mkdir(path := os.path.join(self.directory, "state.db"))
        self.expect_both(self.state(path), f"state.path: {path}: a directory; name a file")

    def test_a_state_file_that_is_not_ours(self):
        path = os.path.join(self.directory, "other.db")
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE mine (x)")
        database.close()
        self.expect_both(self.state(path), f"state.path: {path}: a database of another program")
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA application_id = 0x62637374")
            database.execute("PRAGMA user_version = 99")
        database.close()
        self.expect_both(self.state(path), f"state.path: {path}: written by a newer host (format 99")

    def test_a_state_file_that_is_damaged_is_warned_of_and_left_alone(self):
        path = self.file("state.db", b"x" * 5000)
        ended = run_host(self.state(path), "--check")
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertIn("cannot be used (file is not a database); a start would move it aside", ended.stdout)
        self.assertEqual(os.listdir(self.directory), ["state.db"])

    def test_nothing_is_made_of_a_state_that_is_good(self):
        path = os.path.join(self.directory, "state.db")
        self.assertEqual(run_host(self.state(path), "--check").returncode, 0)
        self.assertEqual(os.listdir(self.directory), [])
        with Host(self.state(path)):
            pass
        before = sorted(os.listdir(self.directory))
        ended = run_host(self.state(path), "--check")
        self.assertEqual((ended.returncode, sorted(os.listdir(self.directory))), (0, before), ended.stdout)

    def test_certificates(self):
        self.expect_both({"redis": {"url": "rediss://localhost", "ca": "/nowhere/ca.pem"}, "broadcasters": {}},
                         "redis.ca: /nowhere/ca.pem: cannot be read")
        for part in ("ssl_ca_certs", "ssl_certfile"):
            self.expect_both({"redis": {"url": f"rediss://localhost?{part}=/nowhere/x.pem"}, "broadcasters": {}},
                             f"redis.url: {part}: /nowhere/x.pem: cannot be read")

    def test_an_address_that_is_not_this_machines(self):
        self.expect_both({"server": {"listen": "192.0.2.1:0"}, "broadcasters": {}},
                         "server.listen: 192.0.2.1:0: Cannot assign requested address")

    def test_one_port_for_both_listeners(self):
        port = free_port()
        ended = run_host({"server": {"listen": f"127.0.0.1:{port}"}, "admin": {"listen": f"127.0.0.1:{port}"},
                          "broadcasters": {}}, "--check")
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertIn(f"admin.listen: 127.0.0.1:{port}: server.listen uses this port", ended.stdout)

    def test_a_port_that_another_program_has(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for section in ("server", "admin"):
                told = self.expect_both({section: {"listen": f"127.0.0.1:{port}"}, "broadcasters": {}},
                                        f"{section}.listen: 127.0.0.1:{port}: Address already in use")
                self.assertIn(f"by python3 (process {os.getpid()}). Stop it, or choose another port.", told)

    def test_what_another_host_has(self):
        path = os.path.join(self.directory, "state.db")
        with Host(self.state(path)) as host:
            for key, config in (("server.listen", {"server": {"listen": f"127.0.0.1:{host.port}"}, "broadcasters": {}}),
                                ("admin.listen", {"admin": {"listen": f"127.0.0.1:{host.admin_port}"}, "broadcasters": {}}),
                                ("state.path", self.state(path))):
                self.assertEqual(run_host(config).returncode, 1)
                ended = run_host(config, "--check")
                self.assertEqual(ended.returncode, 0, ended.stdout)
                self.assertIn(f"{key}: in use by broadcast-host (process {host.pid}), which is assumed to be the host that this file is for",
                              ended.stdout)

    def test_what_two_other_hosts_have(self):
        path = os.path.join(self.directory, "state.db")
        with Host({"broadcasters": {}}) as one, Host(self.state(path)) as two:
            ended = run_host({"server": {"listen": f"127.0.0.1:{one.port}"}, **self.state(path)}, "--check")
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertIn(f"server.listen: in use by broadcast-host (process {one.pid})", ended.stdout)
            self.assertIn(f"state.path: {path}: in use by broadcast-host (process {two.pid}); stop that one", ended.stdout)

    def test_a_port_whose_holder_cannot_be_seen(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # it does not listen, so no table has it
            ended = run_host({"server": {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}, "broadcasters": {}}, "--check")
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertIn("Address already in use (run as the host's user to see which process). Stop it", ended.stdout)

    def test_descriptors_that_do_not_do(self):
        with ConfigFile({"limits": {"connections": 5000}, "broadcasters": {}}) as file:
            for soft in (512, 1024):
                ended = run("prlimit", f"--nofile={soft}:1024", HOST_BINARY, "--config", file, "--check")
                self.assertEqual(ended.returncode, 0, ended.stdout)
                self.assertRegex(ended.stdout, r"limits\.connections: 5000 is more than the \d+ that 1024 descriptors allow")

    def test_the_host_that_the_file_is_for_is_told_of_and_does_not_count(self):
        path = os.path.join(self.directory, "state.db")
        ports = {"server": {"listen": f"127.0.0.1:{free_port()}"}, "admin": {"listen": f"127.0.0.1:{free_port()}"}}
        with Host({**ports, "state": {"path": path}, "broadcasters": mirror()}) as host:
            host.wait_until_started("mirror")
            for _ in range(3):
                ended = run_host({**ports, "state": {"path": path}, "broadcasters": mirror()}, "--check")
                self.assertEqual(ended.returncode, 0, ended.stdout)
                self.assertIn(f"server.listen, admin.listen, state.path: in use by broadcast-host (process {host.pid})",
                              ended.stdout)
            self.assertEqual(host.publish("signal:vcp", '{"type":"signal_update"}')[0], 200)

    def test_what_a_broadcaster_says_to_its_config(self):
        for config, says in (({"sources": [{"type": "database", "url": "sqlite://"}]}, "in memory"),
                             ({"sources": [{"type": "kiwoom_ws"}]}, "kiwoom_ws: app_key: is empty"),
                             ({"sources": [{"type": "sim", "app_key": "x"}]}, "sim: app_key: sim has no such key, only kiwoom_rest, kiwoom_ws"),
                             ({"holidays": ["2026-02-30"]}, "there is no day")):
            ended = run_host({"broadcasters": {"price": {"config": config}}}, "--check")
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertRegex(ended.stdout, rf"host\.yaml: broadcasters\.price: CONFIG failed .*{says}")

    def test_a_library_that_cannot_be_loaded(self):
        ended = run_host({"broadcasters": test_plugin("undefined_symbol", "undefined_symbol.so")}, "--check")
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertIn("broadcasters.undefined_symbol: ", ended.stdout)

    def test_a_library_that_another_one_is_missing_for_or_whose_entry_is_wrong(self):
        for plugin, why in (("needs_gone", "libgone.so.1: cannot open shared object file: No such file or directory"),
                            ("bad_magic", "bc_plugin_entry does not begin with BC_MAGIC"),
                            ("small_entry", "bc_plugin_entry has size 24, ABI 1 needs 48")):
            ended = run_host({"broadcasters": test_plugin(plugin, f"{plugin}.so")}, "--check")
            self.assertEqual(ended.returncode, 1, ended.stdout)
            self.assertIn(f"broadcasters.{plugin}: {plugin}.so: {why}", ended.stdout)


class HangupTest(unittest.TestCase):
    def test_while_the_host_starts_it_is_a_reload_once_it_runs(self):
        path = self.enterContext(ConfigFile({"broadcasters": {}}))
        text = pathlib.Path(path).read_text(encoding="utf-8")
        os.remove(path)
        os.mkfifo(path)
        host = Process(HOST_BINARY, "--config", path)
        self.addCleanup(host.kill)
        with open(path, "w", encoding="utf-8") as pipe:  # opens once the host reads it
            os.kill(host.pid, signal.SIGHUP)
            pipe.write(text)
        host.wait_for_line("SIGHUP: reading")
        pathlib.Path(path).write_text(text, encoding="utf-8")
        host.stop()

    def test_while_the_host_stops_it_does_not_change_how_that_ends(self):
        with Host({"broadcasters": mirror()}) as host:
            host.terminate()
            host.wait_for_line("stopped: ")
            while not host.has_ended():
                os.kill(host.pid, signal.SIGHUP)
            self.assertEqual(host.wait(), 0, host.log())


class TokenTest(unittest.TestCase):
    def test_beyond_loopback_a_token_is_required(self):
        ended = run_host({"admin": {"listen": "0.0.0.0:0"}, "broadcasters": {}})
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertRegex(ended.stdout, r"host\.yaml:\d+:\d+: admin\.listen: .*admin\.tokens is empty; add a token")

    def test_with_tokens_producers_show_theirs(self):
        tokens = [{"token": SCANNER, "scopes": ["publish:signal:*"]}]
        config = {"admin": {"listen": "0.0.0.0:0", "tokens": tokens}, "broadcasters": mirror()}
        with Host(config) as host:
            host.wait_until_started("mirror")
            body = '{"type":"signal_update"}'
            self.assertEqual(host.publish("signal:vcp", body)[0], 401)
            self.assertEqual(host.publish("signal:vcp", body, token="guess")[0], 401)
            self.assertEqual(host.publish("market-gate", body, token=SCANNER)[0], 403)
            self.assertEqual(host.publish("signal:vcp", body, token=SCANNER)[0], 200)
            self.assertNotIn(SCANNER, host.log())

    def test_on_loopback_without_tokens_nobody_is_asked(self):
        with Host({"broadcasters": mirror()}) as host:
            host.wait_until_started("mirror")
            self.assertEqual(host.publish("signal:vcp", '{"type":"signal_update"}', token="whatever")[0], 200)


class LimitsTest(unittest.TestCase):
    def test_too_many_connections_are_sent_away_with_503(self):
        for limit in ("connections", "connections_per_address"):
            with Host({"limits": {limit: 1}, "broadcasters": {}}) as host, RawSocket(host.port) as first:
                first.upgrade(host.path)
                with RawSocket(host.port) as second:
                    status, headers = second.respond(second.request(host.path))
                    self.assertEqual(status, 503)
                    self.assertIn("retry-after", headers)


if __name__ == "__main__":
    unittest.main()

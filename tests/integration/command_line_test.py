#!/usr/bin/python3
"""What the binary says and how it ends: --check, ports, tokens."""

import pathlib
import unittest

from host import HOST_BINARY, Host, mirror, run_host
from process import run
from raw_websocket import RawSocket

CONFIG = pathlib.Path(__file__).parents[2] / "config"
GOOD = {"broadcasters": {"price": {}, "heartbeat": {"permissions": ["clients"]}, "vcp_signal": {"enabled": False}}}
BAD = """
server: {listen: nowhere, patth: /ws}
limits: {message: 10 apples}
broadcasters:
  price: {enabled: perhaps}
"""
SCANNER = "scanner-secret"


class CheckTest(unittest.TestCase):
    def test_a_good_file(self):
        ended = run_host(GOOD, "--check")
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertIn("good, 2 broadcasters on, 1 off", ended.stdout)

    def test_the_production_file_needs_its_variables_and_is_good_with_them(self):
        command = (HOST_BINARY, "--config", str(CONFIG / "production.yaml"), "--check")
        needed = {"ADMIN_TOKEN": "admin-secret", "SCANNER_TOKEN": SCANNER,
                  "DATABASE_URL": "postgresql://dashboard:x@127.0.0.1/dashboard"}
        keys = {"KIWOOM_APP_KEY": "0123", "KIWOOM_SECRET_KEY": "4567"}
        mock = {"USE_MOCK": "true", "KIWOOM_MOCK_APP_KEY": "89", "KIWOOM_MOCK_SECRET_KEY": "true"}
        for variables in (needed, needed | keys, needed | keys | {"USE_KIWOOM_REST": "true"}, needed | mock):
            ended = run("env", *(f"{name}={value}" for name, value in variables.items()), *command)
            self.assertEqual(ended.returncode, 0, ended.stdout)
            self.assertIn("good, 5 broadcasters on, 0 off", ended.stdout)
        ended = run("env", *(f"-u{name}" for name in needed), *command)
        self.assertEqual(ended.returncode, 1)
        for name in needed:
            self.assertIn(f"environment variable {name} is not set", ended.stdout)
        ended = run("env", *(f"{name}={value}" for name, value in needed.items()), "USE_KIWOOM_REST=perhaps", *command)
        self.assertRegex(ended.stdout, r'sources\[1\]\.enabled: expected boolean, got "perhaps"')

    def test_the_reference_file_is_good(self):
        ended = run(HOST_BINARY, "--config", str(CONFIG / "reference.yaml"), "--check")
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

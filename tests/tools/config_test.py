#!/usr/bin/python3
"""broadcastctl config: what plugins and the host's YAML may be configured with."""

import json
import os
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

from ctl import BROADCASTERS, ROOT, run, shipped
from process import DEADLINE


class DocsTest(unittest.TestCase):
    def test_a_table(self):
        ended = run("config", "docs", shipped("heartbeat"))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn('| `interval` | duration | `"30s"` | 100ms … 1h | time between two pings |', ended.stdout)

    def test_the_readmes_have_the_tables(self):
        for name in BROADCASTERS:
            readme = (ROOT / "plugins" / name / "README.md").read_text(encoding="utf-8")
            table = run("config", "docs", shipped(name)).stdout
            self.assertIn(table, readme, f"{name}: put the output of `broadcastctl config docs` into its README")


class SchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ended = run("config", "schema", "--plugins", shipped("price").parent)
        assert ended.returncode == 0, ended.stderr
        cls.schema = json.loads(ended.stdout)
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def errors(self, value):
        return [f"{one.json_path}: {one.message}" for one in self.validator.iter_errors(value)]

    def test_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_the_configurations_of_this_tree_are_valid(self):
        for name in ("reference", "demo", "production"):
            value = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
            self.assertEqual(self.errors(value), [], name)

    def see_defaults(self, properties, keys, section):
        for key, default in keys.items():
            path = f"{section}.{key}"
            if isinstance(default, dict):
                self.see_defaults(properties[key]["properties"], default, path)
                continue
            self.assertIn("default", properties[key], path)
            if "${" not in str(default):
                self.assertEqual(properties[key]["default"], default, path)

    def test_tls_is_a_map_or_a_list(self):
        one = {"certificate": "/a.pem", "key": "/a.key"}
        for value in ({**one, "client_ca": "/ca.pem", "min_version": "1.3"}, [{**one, "names": ["*.example.com"]}, one]):
            self.assertEqual(self.errors({"server": {"tls": value}}), [])
        for value in ({**one, "min_version": "1.1"}, {"cert": "/a.pem"}, [{**one, "name": "a.example"}], "/a.pem"):
            self.assertNotEqual(self.errors({"server": {"tls": value}}), [], value)

    def test_has_every_key_of_the_reference_with_default_and_meaning(self):
        value = yaml.safe_load((ROOT / "config" / "reference.yaml").read_text(encoding="utf-8"))
        found = self.schema["properties"]
        self.assertEqual(set(found), set(value))
        for section, keys in value.items():
            if not isinstance(keys, dict) or section == "broadcasters":
                continue
            self.assertEqual(set(found[section]["properties"]), set(keys), section)
            self.see_defaults(found[section]["properties"], keys, section)
        self.assertRegex(found["limits"]["properties"]["write_stall"]["description"],
                         r"accepts no data for this long.*\(100ms to 1h\)")
        self.assertLessEqual(set(BROADCASTERS), set(found["broadcasters"]["properties"]))  # and those of the bench

    def test_refuses_what_the_host_refuses(self):
        for text in ("{server: {drain: soon}}", "{server: {flush: fast}}", "{server: {demo_page: 7}}", "{servers: {}}",
                     "{deflate: {level: 12}}", "{limits: {message: [1]}}", "{admin: {tokens: [{tokn: x}]}}", "{relay: [{delivery: some}]}",
                     "{broadcasters: {price: {enabld: true}}}", "{broadcasters: {mine: {enabld: true}}}",
                     "{broadcasters: {price: {config: {interval: 5}}}}", "{broadcasters: {price: {config: {sources: [{type: fax}]}}}}"):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                self.assertEqual(run("config", "check", file.name).returncode, 1, text)
            self.assertNotEqual(self.errors(yaml.safe_load(text)), [], text)

    def test_takes_what_the_host_takes(self):
        for text in ("{}", "{server: }", "{limits: {message: 2048, topics: '5000'}}", "{admin: {tokens: [{token: sixteen-letters-, scopes: [read]}]}}",
                     "{relay: ['a:*', {topic: b, delivery: all}]}", "{broadcasters: {price: , market_gate: {enabled: 'false'}}}",
                     "{broadcasters: {price: {config: {interval: '${SPEED:-5s}', sources: [{type: sim, seed: '${SEED:-1}'}]}}}}"):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                checked = run("config", "check", file.name)
                self.assertEqual(checked.returncode, 0, text + checked.stderr)
            self.assertEqual(self.errors(yaml.safe_load(text)), [], text)

    def test_without_plugins(self):
        self.assertEqual(run("config", "schema", "--plugins", "/nowhere").returncode, 2)


class CheckTest(unittest.TestCase):
    def test_is_what_the_host_says_with_its_warnings(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            file.write("{server: {listen: '127.0.0.1:0'}, admin: {listen: '127.0.0.1:0'}, redis: {url: '', ca: /x.pem}, "
                       "state: {path: /nowhere/state.db}, broadcasters: {price: {config: {sources: [{type: kiwoom_ws}]}}}}")
            file.flush()
            checked = run("config", "check", file.name)
            self.assertEqual(checked.returncode, 1)
            for says in ("redis.ca: not used", "state.path: /nowhere/state.db: its directory does not exist",
                         "broadcasters.price: CONFIG failed"):
                self.assertIn(says, checked.stderr)
            host = subprocess.run([os.environ["BROADCAST_HOST"], "--config", file.name, "--check"], capture_output=True,
                                  text=True, timeout=DEADLINE, check=False)
            self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (host.returncode, host.stdout, host.stderr))

    def test_of_a_good_file(self):
        good = run("config", "check", ROOT / "config" / "reference.yaml")
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertRegex(good.stdout, "good, 5 broadcasters on, 0 off")
        self.assertEqual(run("config", "check", "/nowhere.yaml").returncode, 1)


if __name__ == "__main__":
    unittest.main()

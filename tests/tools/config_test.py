#!/usr/bin/python3
"""broadcastctl config: what plugins and the host's YAML may be configured with."""

import unittest

from ctl import BROADCASTERS, ROOT, run, shipped


class DocsTest(unittest.TestCase):
    def test_a_table(self):
        ended = run("config", "docs", shipped("heartbeat"))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn('| `interval` | duration | `"30s"` | 100ms … 1h | between two pings |', ended.stdout)

    def test_the_readmes_have_the_tables(self):
        for name in BROADCASTERS:
            readme = (ROOT / "plugins" / name / "README.md").read_text(encoding="utf-8")
            table = run("config", "docs", shipped(name)).stdout
            self.assertIn(table, readme, f"{name}: put the output of `broadcastctl config docs` into its README")


class CheckTest(unittest.TestCase):
    def test_is_what_the_host_says(self):
        good = run("config", "check", ROOT / "config" / "reference.yaml")
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertRegex(good.stdout, "good, 5 broadcasters on, 0 off")
        self.assertEqual(run("config", "check", "/nowhere.yaml").returncode, 1)


if __name__ == "__main__":
    unittest.main()

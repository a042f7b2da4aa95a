#!/usr/bin/python3
"""docs/protocol.md has what goes over the wire: the topics of the manifests, and every type that the dialogues show."""

import json
import re
import unittest

from ctl import BROADCASTERS, ROOT, run, shipped

PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def section(title):
    return re.search(rf"^## \d+\. {title}.*?(?=^## |\Z)", PROTOCOL, re.M | re.S)[0]


def topics_of_the_table():
    """(topic, who serves it, delivery)"""
    rows = re.findall(r"^\| (`.*?) \| (\w+) \| (\w+) \| ", section("Topics"), re.M)
    return {(topic, owner, delivery) for cell, owner, delivery in rows for topic in re.findall("`(.*?)`", cell)}


def topics_of_the_manifests():
    for name in BROADCASTERS:
        for topic in json.loads(run("plugin", "inspect", shipped(name), "--json").stdout)["topics"]:
            yield topic["pattern"], name, topic["delivery"]


class ProtocolTest(unittest.TestCase):
    def test_has_every_topic_of_the_shipped_broadcasters_and_no_other(self):
        self.assertEqual(topics_of_the_table(), set(topics_of_the_manifests()))

    def test_has_an_example_of_every_type_that_a_client_gets(self):
        shown = set(re.findall(r'"type":"(\w+)"', section("Server → client")))
        for path in sorted((ROOT / "tests" / "dialogues").glob("*.dialogue")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if re.match(r"\d*<", line):
                    self.assertLessEqual(set(re.findall(r'"type":"(\w+)"', line)), shown, path.name)


if __name__ == "__main__":
    unittest.main()

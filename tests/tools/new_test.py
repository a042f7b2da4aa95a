#!/usr/bin/python3
"""broadcastctl plugin new: what it writes builds against the installed SDK, passes its own test and every check.

Usage: new_test.py BUILD [unittest's options]
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from ctl import check, run
from process import DEADLINE

BUILD = sys.argv.pop(1)


class NewTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)

    def must(self, *command):
        ended = subprocess.run(tuple(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               timeout=4 * DEADLINE, check=False)
        self.assertEqual(ended.returncode, 0, ended.stdout)
        return ended.stdout

    def build(self, project, name, compiler):
        prefix = self.directory / "sdk"
        self.must("cmake", "--install", BUILD, "--component", "sdk", "--prefix", prefix)
        build = project / f"build-{compiler}"
        self.must("cmake", "-S", project, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
                  f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror")
        self.must("cmake", "--build", build)
        self.assertIn("100% tests passed", self.must("ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error"))
        return build / f"lib{name}.so"

    def expect_good(self, name, topic, compilers, *arguments, new=()):
        project = self.directory / name
        written = run("plugin", "new", name, "--topic", topic, *new, cwd=self.directory)
        self.assertEqual(written.returncode, 0, written.stderr)
        self.assertEqual({file.name for file in project.iterdir()},
                         {"CMakeLists.txt", f"{name}.cpp", f"{name}_test.cpp", f"{name}.yaml", "README.md"})
        for compiler in compilers:
            library = self.build(project, name, compiler)
            code, checks = check(library, *arguments)
            self.assertEqual(code, 0, checks)
            self.assertNotIn("skip", {one["result"] for one in checks.values()}, checks)
        host = project / "host.yaml"
        host.write_text((project / f"{name}.yaml").read_text(encoding="utf-8") +
                        f"plugins: {{directory: {library.parent}}}\n", encoding="utf-8")
        checked = run("config", "check", host)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_a_signal(self):
        self.expect_good("jongga_signal", "signal:jongga", ("g++", "clang++"), "--message",
                         '[{"ticker":"005930","name":"A","score":9}]')

    def test_a_polled_topic(self):
        self.expect_good("rates", "rate:{pair}", ("clang++",))

    def test_one_that_takes_posts(self):
        self.expect_good("news", "news:{ticker}", ("clang++",), "--message", '{"title":"A"}', new=("--accepts",))

    def test_overwrites_nothing(self):
        project = self.directory / "mine"
        project.mkdir()
        (project / "README.md").write_text("precious", encoding="utf-8")
        refused = run("plugin", "new", "x", "--topic", "signal:x", "--directory", project)
        self.assertEqual(refused.returncode, 2)
        self.assertRegex(refused.stderr, r"README\.md: is there already, and nothing was written")
        self.assertEqual([file.name for file in project.iterdir()], ["README.md"])
        self.assertEqual((project / "README.md").read_text(encoding="utf-8"), "precious")

    def test_refuses_before_it_writes(self):
        for name, topic in (("Bad", "signal:x"), ("x", "status:x"), ("x", "two words")):
            self.assertEqual(run("plugin", "new", name, "--topic", topic, cwd=self.directory).returncode, 2)
        self.assertEqual(run("plugin", "new", "x", "--topic", "signal:x", "--directory", "/proc/none").returncode, 2)
        self.assertEqual(list(self.directory.iterdir()), [])


if __name__ == "__main__":
    unittest.main()

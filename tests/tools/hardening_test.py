#!/usr/bin/python3
"""What is shipped is hardened as Debian hardens its own: read out of the files with readelf."""

import glob
import os
import subprocess
import unittest

BIN = os.path.dirname(os.environ["BROADCAST_HOST"])
PROGRAMS = [os.path.join(BIN, name) for name in ("broadcast-host", "broadcastctl")]
LIBRARIES = glob.glob(os.path.join(os.environ["BROADCAST_PLUGINS"], "lib*.so"))


def readelf(*arguments):
    return subprocess.run(["readelf", "--wide", *arguments], check=True, capture_output=True, text=True).stdout


class HardeningTest(unittest.TestCase):
    def test_there_are_libraries(self):
        self.assertIn("libprice.so", map(os.path.basename, LIBRARIES))

    def test_relocations_are_done_at_the_start_and_read_only_from_then_on(self):
        for file in PROGRAMS + LIBRARIES:
            with self.subTest(os.path.basename(file)):
                self.assertRegex(readelf("--dynamic", file), r"\(FLAGS(_1)?\).*\bNOW\b|BIND_NOW")
                self.assertIn("GNU_RELRO", readelf("--segments", file))

    def test_programs_are_position_independent(self):
        for file in PROGRAMS:
            with self.subTest(os.path.basename(file)):
                self.assertRegex(readelf("--dynamic", file), r"\(FLAGS_1\).*\bPIE\b")

    def test_programs_have_no_copies_of_what_belongs_to_a_library(self):
        """A plugin is bound to its libraries first, and would use another std::cout than they do."""
        for file in PROGRAMS:
            with self.subTest(os.path.basename(file)):
                self.assertNotIn("_COPY", readelf("--relocs", file))

    def test_stacks_and_buffers_are_checked(self):
        for file in PROGRAMS + LIBRARIES:
            with self.subTest(os.path.basename(file)):
                self.assertIn("__stack_chk_fail", readelf("--dyn-syms", file))
        symbols = readelf("--dyn-syms", PROGRAMS[0])
        self.assertRegex(symbols, r"__(memcpy|read|snprintf|vsnprintf|recv|poll)_chk")

    def test_no_stack_is_executable(self):
        for file in PROGRAMS + LIBRARIES:
            with self.subTest(os.path.basename(file)):
                self.assertRegex(readelf("--segments", file), r"GNU_STACK .* RW ")


if __name__ == "__main__":
    unittest.main()

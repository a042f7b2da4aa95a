#!/usr/bin/python3
"""Each promise of docs/security.md names what shows it, and that is there."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def is_there(name):
    """`file_test.py::test_x`, `Suite.Name`, `fuzz_x`, `bench row`."""
    if found := re.fullmatch(r"(\w+\.py)::(test_\w+)", name):
        return any(f"def {found.group(2)}(" in path.read_text(encoding="utf-8") for path in ROOT.glob(f"tests/*/{found.group(1)}"))
    if found := re.fullmatch(r"(\w+)\.(\w+)", name):
        test = re.compile(rf"TEST(_F|_P)?\({found.group(1)},\s*{found.group(2)}\)")
        return any(test.search(path.read_text(encoding="utf-8")) for path in ROOT.glob("tests/unit/**/*.cpp"))
    if re.fullmatch(r"fuzz_\w+", name):
        return (ROOT / "tests/fuzz" / (name + ".cpp")).exists()
    if found := re.fullmatch(r"bench ([\w-]+)", name):
        return f'"{found.group(1)}"' in (ROOT / "bench/rows.py").read_text(encoding="utf-8")
    return False


class SecurityTest(unittest.TestCase):
    def rows(self):
        for line in (ROOT / "docs/security.md").read_text(encoding="utf-8").split("\n"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| ") and cells[0] != "threat":
                yield cells

    def test_every_promise_is_shown_by_something_that_is_there(self):
        rows = list(self.rows())
        self.assertGreater(len(rows), 20)
        for threat, promise, shown_by in rows:
            names = re.findall(r"`([^`]+)`", shown_by)
            self.assertTrue(promise and names, threat)
            for name in names:
                self.assertTrue(is_there(name), name)

    def test_what_is_not_there_is_found_out(self):
        for name in ("tls_test.py::test_of_nothing", "TlsTest.OfNothing", "fuzz_nothing", "bench nothing", "nothing"):
            self.assertFalse(is_there(name), name)


if __name__ == "__main__":
    unittest.main()

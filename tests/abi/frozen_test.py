"""What abi.h of today declares, by the headers that it includes, is what ABI 1.0 declared, or follows it: layout.h sees
a member that moved, this sees another type, another signature, another value.

Usage: frozen_test.py KEPT_ABI_H TODAYS_ABI_H [unittest's options]
"""

import pathlib
import re
import sys
import unittest


def whole(header):
    """Its text, with the headers of ours that it includes in their places, each once."""
    seen = set()

    def read(path):
        if path in seen:
            return ""
        seen.add(path)
        return re.sub(r"^#include <broadcast/(.+)>$", lambda include: read(header.parent / include[1]),
                      path.read_text(encoding="utf-8"), flags=re.MULTILINE)

    return read(header)


KEPT, TODAY = (whole(pathlib.Path(argument)) for argument in sys.argv[1:3])


def plain(header):
    """Without comments, every space the same."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    return text, re.sub(r"\s+", " ", text)


def parts(header):
    """name -> (may it grow, members in order): structs, enums (each named after its first constant), macros, types."""
    lines, text = plain(header)
    found = {}
    for name, value in re.findall(r"^#define (\w+)[ \t]+(\S+)", lines, re.MULTILINE):
        found[name] = (False, [value])
    for name, body in re.findall(r"struct (\w+) \{(.*?)\}", text):
        members = [member.strip() for member in body.split(";") if member.strip()]
        found["struct " + name] = ("uint32_t" in members[0] and "size" in members[0], members)
    for body in re.findall(r"enum \{(.*?)\}", text):
        members = [member.strip() for member in body.split(",") if member.strip()]
        found["enum of " + members[0].split()[0]] = (True, members)
    for declaration in re.findall(r"(typedef [^{};]+|extern const [^;]+);", text):
        found[declaration] = (False, [])
    return found


def changes(kept, today):
    """Every promise of `kept` that `today` does not keep."""
    now = parts(today)
    for name, (may_grow, members) in parts(kept).items():
        if name not in now:
            yield f"{name} is gone"
            continue
        after = now[name][1]
        for was, is_now in zip(members, after + [None] * len(members)):
            if was != is_now:
                yield f"{name}: was {was}, is {is_now}"
                break
        else:
            if len(after) > len(members) and not may_grow:
                yield f"{name}: {after[len(members)]} was added; a new function is an extension with a new id"


class FrozenTest(unittest.TestCase):
    def test_abi_1_0_is_still_there(self):
        self.assertEqual(list(changes(KEPT, TODAY)), [])

    def test_what_it_reads_is_the_whole_header(self):
        found = parts(KEPT)
        for name in re.findall(r"\b(?:bc|BC)_\w+", plain(KEPT)[0]):
            self.assertTrue(any(name in part or name in " ".join(members) for part, (_, members) in found.items()),
                            name)
        self.assertEqual(sum(name.startswith("struct ") for name in found), 10)
        self.assertEqual(sum(name.startswith("enum ") for name in found), 6)

    def test_sees_a_change(self):
        for old, new in (
                ("uint32_t size, flags;", "uint32_t flags, size;"),
                ("BC_E_BUSY = -3", "BC_E_BUSY = -30"),
                ("BC_EV_TIMER,", "BC_EV_ALARM, BC_EV_TIMER,"),
                ("int64_t num;", "uint64_t num;"),
                ("bc_status (*report)(const bc_host*, int32_t state,", "bc_status (*report)(const bc_host*, "),
                ("void (*record)(", "int (*before)(void); void (*record)("),
                ('"bc.status/1"', '"bc.status/2"'),
                ("typedef int32_t bc_status;", "typedef int64_t bc_status;"),
                ("} bc_ext_cache;", "int (*more)(void); } bc_ext_cache;"),
        ):
            self.assertIn(old, KEPT)
            self.assertEqual(len(list(changes(KEPT, KEPT.replace(old, new)))), 1, old)

    def test_lets_it_grow(self):
        for old, new in (
                ("} bc_event;", "uint64_t more; } bc_event;"),
                ("BC_EV_MESSAGE\n", "BC_EV_MESSAGE, BC_EV_MORE\n"),
                ("typedef struct bc_entry {", "typedef struct bc_ext_more { int (*x)(void); } bc_ext_more;\n"
                 "#define BC_EXT_MORE \"bc.more/1\"\ntypedef struct bc_entry {"),
                ("/* Kinds.", "/* The kinds."),
        ):
            self.assertIn(old, KEPT)
            self.assertEqual(list(changes(KEPT, KEPT.replace(old, new))), [], old)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])

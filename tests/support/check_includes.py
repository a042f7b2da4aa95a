#!/usr/bin/python3
"""Who may include whom: prints every include that crosses a border of the house, and why; exit 1 if any.

Usage: check_includes.py [ROOT]
"""

import pathlib
import re
import sys

# Part -> the parts of host/ it may include besides itself, and the third-party headers it may name.
HOST_PARTS = {
    "base": ((), ()),
    # Below the hub, so that what parses can be tested and fuzzed without it.
    "wire": (
        ("base",),
        ("boost/asio/ip/address", "boost/beast/core/string.hpp", "boost/beast/http/", "openssl/", "zlib.h", "libpsl.h"),
    ),
    # Interfaces by which parts meet that do not know each other.
    "seams": (("base",), ()),
    "hub": (("base", "wire", "seams"), ("nlohmann/", "simdjson.h", "boost/smart_ptr/", "boost/intrusive_ptr.hpp")),
    "store": (("base", "seams", "hub"), ("sqlite3.h",)),
    "net": (
        ("base", "wire", "seams", "hub"),
        ("boost/asio", "boost/beast", "boost/intrusive/", "boost/system/", "liburing.h"),
    ),
    "ingest": (
        ("base", "seams", "hub"),
        ("boost/asio", "boost/system/", "openssl/", "hiredis/", "nlohmann/"),
    ),
    "loader": (("base", "seams", "hub"), ("boost/dll", "nlohmann/")),
    "admin": (
        ("base", "wire", "seams", "hub", "net"),
        ("boost/asio", "boost/beast", "boost/system/", "openssl/", "nlohmann/",
         "prometheus/"),
    ),
    "app": (
        ("base", "wire", "seams", "hub", "store", "net", "ingest", "loader", "admin"),
        ("yaml-cpp/", "CLI/", "nlohmann/", "boost/asio", "boost/system/", "boost/uuid/", "systemd/sd-daemon.h"),
    ),
}
EVERYWHERE_IN_HOST = ("spdlog/", "fmt/")
SHARED_WITH_HOST = ("broadcast/backoff.hpp", "broadcast/units.hpp", "broadcast/words.hpp", "broadcast/schema.hpp",
                    "broadcast/host_rules.hpp", "broadcast/topic_matcher.hpp")
SEES_THE_SDK = ("loader",)

# What several broadcasters share; linked into each of them.
SHARED_BY_PLUGINS = ("database", "io")

# No sockets and no threads; base has the locks.
WITHOUT_SOCKETS = ("wire", "seams", "hub")
SOCKETS_AND_THREADS = ("thread", "mutex", "condition_variable", "sys/socket.h", "sys/epoll.h", "poll.h",
                       "netinet/", "arpa/", "netdb.h", "unistd.h")

# What a plugin author may use without any library installed.
SDK_STD_ONLY = ("abi.hpp", "backoff.hpp", "broadcaster.hpp", "host_rules.hpp", "services.hpp", "thread.hpp", "topic_matcher.hpp",
                "units.hpp", "words.hpp")  # and every header in C

# C and POSIX headers that are named <x.h> or <folder/x.h>; names without a dot are the C++ library.
POSIX = re.compile(r"(sys|net|netinet|arpa|linux)/[a-z0-9_/]+\.h|"
                   r"(assert|ctype|cxxabi|dirent|dlfcn|elf|errno|fcntl|inttypes|limits|link|malloc|math|netdb|poll|"
                   r"pthread|sched|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|"
                   r"stdlib|string|strings|time|unistd)\.h")
STD = re.compile(r"[a-z_0-9]+")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
SOURCES = {".h", ".hpp", ".c", ".cpp"}


def is_system(header):
    return bool(STD.fullmatch(header) or POSIX.fullmatch(header))


def check_host(part, header, quoted):
    if part not in HOST_PARTS:
        return f"host/{part} is not a part of the house; add it to tests/support/check_includes.py"
    parts, third_party = HOST_PARTS[part]
    if quoted:
        match = re.match(r"host/([^/]+)/", header)
        if not match:
            return f"host/{part} may include nothing outside host/, and names it from the root"
        if part == "hub" and match[1] == "wire" and header != "host/wire/frame.hpp":
            return "host/hub may include nothing of wire but frame.hpp"
        if match[1] != part and match[1] not in parts:
            allowed = ", ".join(parts) or "nothing else of host/"
            return f"host/{part} may include {allowed}, not host/{match[1]}"
        return None
    if header.startswith("broadcast/"):
        if header in SHARED_WITH_HOST or part in SEES_THE_SDK:
            return None
        return f"host/{part} may include of the SDK only {', '.join(SHARED_WITH_HOST)}"
    if part in WITHOUT_SOCKETS and header.startswith(SOCKETS_AND_THREADS):
        return f"host/{part} has no sockets and no threads; locks are in host/base/guarded.hpp"
    if is_system(header) or header.startswith(third_party + EVERYWHERE_IN_HOST):
        return None
    allowed = ", ".join(third_party + EVERYWHERE_IN_HOST)
    return f"host/{part} may use {allowed}"


def check_sdk(name, is_example, header, quoted):
    if quoted:
        return "the SDK includes its own headers as <broadcast/...>, and nothing else of ours"
    if header.startswith("broadcast/") or is_system(header):
        return None
    if name.endswith(".h") or name in SDK_STD_ONLY:
        return f"{name} needs nothing but the standard library"
    if header.startswith("nlohmann/") or is_example and header.startswith(("gtest/", "gmock/")):
        return None
    return "the SDK may use the standard library and nlohmann/"


def check_plugin(plugin, header, quoted):
    mine = tuple(f"plugins/{folder}/" for folder in (plugin, *SHARED_BY_PLUGINS))
    if quoted and not header.startswith(mine):
        return f"plugins/{plugin} may include the SDK and {', '.join(mine)}, named from the root"
    if header.startswith(("host/", "plugins/")) and not quoted:
        return f"plugins/{plugin} may include the SDK and its own folder"
    return None


def check_tool(tool, header, quoted):
    if quoted:
        if header.startswith(("host/", f"tools/{tool}/")):
            return None
        return f"tools/{tool} may include the host and its own folder, named from the root"
    third_party = ("broadcast/", "nlohmann/", "CLI/", "boost/asio", "boost/beast", "boost/system/")
    if is_system(header) or header.startswith(third_party + EVERYWHERE_IN_HOST):
        return None
    return f"tools/{tool} may use {', '.join(third_party)}"


def check(path, header, quoted):
    """Why this include is wrong, or None. `path` is relative to the root."""
    top, *rest = path.parts
    if top == "host" and len(rest) > 1:
        return check_host(rest[0], header, quoted)
    if top == "sdk":
        return check_sdk(path.name, rest[0] == "examples", header, quoted)
    if top == "plugins" and len(rest) > 1:
        return check_plugin(rest[0], header, quoted)
    if top == "tools" and len(rest) > 1:
        return check_tool(rest[0], header, quoted)
    return None


def problems(root):
    for top in ("host", "sdk", "plugins", "tools"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SOURCES or not file.is_file():
                continue
            path = file.relative_to(root)
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                header, quoted = match[1] or match[2], match[2] is not None
                if why := check(path, header, quoted):
                    yield f"{path}:{number}: {line.strip()}: {why}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    found = list(problems(root))
    for problem in found:
        print(problem)
    if found:
        print(f"{len(found)} includes cross a border (CONTRIBUTING.md, \"Who may include whom\")")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

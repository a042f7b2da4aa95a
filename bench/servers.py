"""The servers that are measured, the load that is put on them, and the cores they run on."""

import copy
import functools
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
RELEASE = ROOT / "build" / "release"
os.environ.setdefault("BROADCAST_HOST", str(RELEASE / "bin" / "broadcast-host"))
os.environ.setdefault("BROADCAST_PLUGINS", str(RELEASE / "plugins"))
os.environ.setdefault("BROADCAST_TEST_PLUGINS", str(RELEASE / "tests" / "plugins"))
sys.path.append(str(ROOT / "tests" / "support"))
from certificates import Certificates  # noqa: E402
from host import Host  # noqa: E402
from process import Process, die_with_parent  # noqa: E402

CONNECT_TIMEOUT = 60


class Skipped(Exception):
    """This machine does not have what the contestant needs; the text says what."""


class Failed(Exception):
    """A sample that is none."""


class Cores:
    """The server has one for itself, and so has the load, where there are two."""

    def __init__(self):
        self.all = sorted(os.sched_getaffinity(0))
        self.server = self.all[:1]
        self.load = self.all[1:2] or self.all

    def of_shards(self, count):
        return self.all[:count]

    def of_load_beside(self, server):
        """The load shares the server's cores if there are no others."""
        return [core for core in self.all if core not in server][:1] or server


CORES = Cores()


def pinned(cores):
    return ("taskset", "--cpu-list", ",".join(map(str, cores)))


def raise_descriptor_limit():
    """For all that is started from here. What it is now."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def merged(config, changes):
    """`changes` over `config`, section by section."""
    result = copy.deepcopy(config)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def host_config(name, changes=None):
    """bench/config/<name>.yaml on free ports, with changes."""
    config = yaml.safe_load((ROOT / "bench" / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    del config["server"]["listen"], config["admin"]["listen"]
    return merged(config, changes or {})


def feed(**settings):
    """A change of what bench_feed publishes."""
    return {"broadcasters": {"bench_feed": {"config": settings}}}


def flush(how):
    return {"server": {"flush": how}}


@functools.cache
def _certificates():
    directory = tempfile.TemporaryDirectory(prefix="broadcast-bench-tls-")
    return directory, Certificates(directory.name)  # both as long as the run


def certificates():
    """On P-256, as most are today."""
    return _certificates()[1]


def tls():
    """A change: the host speaks TLS."""
    made = certificates()
    return {"server": {"tls": {"certificate": made.certificate, "key": made.key}}}


class BenchHost(Host):
    """Ready: listening, and its topics have their first message."""

    path = None

    def __init__(self, name, changes=None, cores=None, build=RELEASE):
        config = merged(host_config(name, changes), {"plugins": {"directory": str(build / "plugins")}})
        self._wants_ring = config["server"].get("flush") == "io_uring"
        super().__init__(config, launcher=pinned(cores or CORES.server), binary=str(build / "bin" / "broadcast-host"))

    def __enter__(self):
        super().__enter__()
        try:
            self.wait_until_started("bench_feed")
            if self._wants_ring and (refused := re.search(r"io_uring (?:here|is not available) \((.*?)\)", self.log())):
                raise Skipped(f"io_uring is not available: {refused.group(1)}")
        except BaseException:
            self.kill()
            raise
        return self


class FloorServer(Process):
    path = "/"

    def __init__(self, kind, *arguments):
        super().__init__(*pinned(CORES.server), str(RELEASE / "bin" / f"floor_{kind}"), "--port", "0", *arguments)

    def __enter__(self):
        try:
            self.port = int(self.wait_for_line(r"listening on ws://127\.0\.0\.1:(\d+)").group(1))
        except AssertionError as error:
            self.kill()
            if "io_uring is not to be had" in str(error):
                raise Skipped(self.log()) from None
            raise
        return self


def run_program(command, timeout, **environment):
    """Its standard output. Ends with us at the latest."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, preexec_fn=die_with_parent, check=False,
                              env=os.environ | environment)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} still ran after {timeout:.0f} s") from None
    if done.returncode != 0:
        raise Failed((done.stderr or done.stdout).strip() or f"exit code {done.returncode}")
    return done.stdout


def put_load_on(server, arguments, seconds, warmup, cores=None):
    """bench_load's report."""
    report = run_program(
        [*pinned(cores or CORES.load), str(RELEASE / "bin" / "bench_load"), "--port", str(server.port),
         "--path", server.path, "--pid", str(server.pid), "--seconds", str(seconds), "--warmup", str(warmup),
         "--connect-timeout", str(CONNECT_TIMEOUT), *arguments],
        timeout=2 * CONNECT_TIMEOUT + seconds + warmup)
    return json.loads(report)

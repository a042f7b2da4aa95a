"""broadcastctl as a command."""

import json
import os
import pathlib
import subprocess

from process import DEADLINE, die_with_parent

CTL = os.environ["BROADCAST_CTL"]
SHIPPED = pathlib.Path(os.environ["BROADCAST_PLUGINS"])
BAD = pathlib.Path(os.environ["BROADCAST_TEST_PLUGINS"])
ROOT = pathlib.Path(__file__).parents[2]
BROADCASTERS = ("daytrading_signal", "heartbeat", "market_gate", "price", "vcp_signal")


def shipped(name):
    return SHIPPED / f"lib{name}.so"


def run(*arguments, **options):
    """To its end: exit code, standard output, standard error."""
    return subprocess.run((CTL, *map(str, arguments)), capture_output=True, text=True, timeout=4 * DEADLINE,
                          preexec_fn=die_with_parent, check=False, **options)


def check(library, *arguments):
    """plugin check --json: exit code, and the checks by name."""
    ended = run("plugin", "check", library, "--json", "--seed", 7, *arguments)
    try:
        report = json.loads(ended.stdout)
    except json.JSONDecodeError:
        raise AssertionError(ended.stdout + ended.stderr) from None
    return ended.returncode, {one["name"]: one for one in report["checks"]}

"""What the figures were taken on."""

import os
import pathlib
import platform
import subprocess


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def first_line_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.partition("\n")[0].strip() or None


def description(root):
    return {"cpu": cpu_model(), "cores": os.cpu_count(),
            "kernel": f"{platform.system()} {platform.release()}",
            "compiler": first_line_of("g++", "--version"),
            "commit": first_line_of("git", "-C", str(root), "describe", "--always", "--dirty")}

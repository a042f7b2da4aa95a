#!/usr/bin/python3
"""user_mode_linux.py COMMAND...: runs it as root on Debian's kernel for user-mode Linux, whatever the kernel of
this machine has. That kernel is a process; its files are those of this machine, and the module tls is loaded.
Ends with the command's code."""

import ctypes
import glob
import json
import os
import subprocess
import sys
import tempfile

KERNEL = "/usr/bin/linux.uml"
MODULES = "/usr/lib/uml/modules/*/kernel/"
WANTED = ("crypto/gf128mul", "crypto/ghash-generic", "crypto/ctr", "crypto/gcm", "net/tls/tls")  # in their order
MEMORY = "2G"
FINIT_MODULE = 313
POWER_OFF = 0x4321FEDC
LIBC = ctypes.CDLL(None, use_errno=True)


def outside(command):
    with tempfile.TemporaryDirectory(prefix="user-mode-linux-") as directory:
        job = os.path.join(directory, "job.json")
        with open(job, "w", encoding="utf-8") as out:
            json.dump({"command": command, "directory": os.getcwd(), "environment": dict(os.environ)}, out)
        init = os.path.join(directory, "init")
        with open(init, "w", encoding="utf-8") as out:
            out.write(f"#!/bin/sh\nexec /usr/bin/python3 -B {os.path.abspath(__file__)} --inside {job}\n")
        os.chmod(init, 0o755)
        subprocess.run([KERNEL, "rootfstype=hostfs", "rootflags=/", "rw", "quiet", f"mem={MEMORY}", f"init={init}",
                        "con=null", "con0=null,fd:1"], env={**os.environ, "TMPDIR": directory}, check=False)
        try:
            with open(job + ".code", encoding="utf-8") as code:
                return int(code.read())
        except FileNotFoundError:
            print("user-mode Linux has ended before the command", file=sys.stderr)
            return 1


def require(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def inside(job):
    with open(job, encoding="utf-8") as text:
        wanted = json.load(text)
    code = 1
    try:
        for kind, place in ((b"proc", b"/proc"), (b"sysfs", b"/sys"), (b"tmpfs", b"/run"), (b"tmpfs", b"/dev/shm")):
            os.makedirs(place, exist_ok=True)
            require(LIBC.mount(kind, place, kind, 0, None), f"mounting {place.decode()}")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for name in WANTED:
            with open(glob.glob(MODULES + name + ".ko")[0], "rb") as module:
                require(LIBC.syscall(FINIT_MODULE, module.fileno(), b"", 0), f"loading {name}")
        environment = {**wanted["environment"], "TMPDIR": "/run", "BROADCAST_KERNEL_TLS": "1"}
        code = subprocess.run(wanted["command"], cwd=wanted["directory"], env=environment, check=False).returncode
    finally:
        with open(job + ".code", "w", encoding="utf-8") as out:
            out.write(str(code))
        os.sync()
        LIBC.reboot(POWER_OFF)


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside(sys.argv[2])
    sys.exit(outside(sys.argv[1:]))

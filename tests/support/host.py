"""A broadcast-host of one's own: started on free ports with a config made for the test, watched
through its log, stopped by SIGTERM. Every wait has a deadline; nothing outlives the test."""

import ctypes
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

DEADLINE = 60.0  # seconds, for anything that must happen; generous, because sanitizers are slow
LISTENING = re.compile(r"listening on ws://127\.0\.0\.1:(\d+)(/\S*)")
ADMIN = re.compile(r"admin on http://127\.0\.0\.1:(\d+)")

HOST_BINARY = os.environ.get("BROADCAST_HOST", "")
TEST_PLUGINS = os.environ.get("BROADCAST_TEST_PLUGINS", "")


def die_with_parent():
    """[child] Killed when the test is, however that ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def mirror(**more):
    """The `broadcasters:` entry of the plugin that publishes what it is sent."""
    library = os.path.join(TEST_PLUGINS, "libmirror.so")
    return {"mirror": {"library": library, "permissions": ["clients"], **more}}


def on_free_ports(config):
    """`config` with every port left to the system; what it says itself comes first."""
    full = {"server": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"}}
    for section, values in config.items():
        full.setdefault(section, {}).update(values)
    return full


def write_config(directory, config):
    """JSON is YAML."""
    path = os.path.join(directory, "host.yaml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    return path


def run_host(*arguments):
    """Runs the binary to its end, for those that do not serve: --check, refusals."""
    return subprocess.run([HOST_BINARY, *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=DEADLINE,
                          preexec_fn=die_with_parent, check=False)


class Host:
    """`with Host({"broadcasters": mirror()}) as host:` — listening when the block begins."""

    def __init__(self, config):
        self._directory = tempfile.TemporaryDirectory(prefix="broadcast-host-")
        self.config_path = write_config(self._directory.name, on_free_ports(config))
        self._lines = []
        self._news = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [HOST_BINARY, "--config", self.config_path], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", preexec_fn=die_with_parent)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def __enter__(self):
        try:
            found = self.wait_for_line(LISTENING)
            self.port = int(found.group(1))
            self.path = found.group(2)
            self.admin_port = int(self.wait_for_line(ADMIN).group(1))
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *error):
        try:
            if self._process.poll() is None:
                self.stop()
        finally:
            self.kill()

    def _read_log(self):
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def url(self, target=None):
        return f"ws://127.0.0.1:{self.port}{target or self.path}"

    def log(self):
        with self._news:
            return "\n".join(self._lines)

    def wait_for_line(self, pattern):
        """The first line of the log, so far or to come, that has `pattern`."""
        until = time.monotonic() + DEADLINE
        seen = 0
        with self._news:
            while True:
                for line in self._lines[seen:]:
                    if found := re.search(pattern, line):
                        return found
                seen = len(self._lines)
                left = until - time.monotonic()
                if self._ended or left <= 0:
                    ending = "ended" if self._ended else f"silent for {DEADLINE:.0f} s"
                    raise AssertionError(f"no line {pattern!r}, the host is {ending}:\n"
                                         + "\n".join(self._lines))
                self._news.wait(left)

    def publish(self, topic, payload, token=None):
        """POST as a producer does; `payload` is text, or what becomes JSON. (status, answer)"""
        body = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
        body = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=DEADLINE)
        try:
            connection.request("POST", "/v1/publish/" + topic, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, json.loads(text)
        finally:
            connection.close()

    def wait_until_started(self, broadcaster):
        self.wait_for_line(rf"\b{broadcaster}: started")

    def terminate(self):
        self._process.send_signal(signal.SIGTERM)

    def wait(self):
        """The exit code."""
        try:
            code = self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs {DEADLINE:.0f} s after it was told to stop:\n"
                                 + self.log()) from None
        self._reader.join(DEADLINE)
        return code

    def stop(self):
        """SIGTERM, and a clean end."""
        self.terminate()
        code = self.wait()
        if code != 0:
            raise AssertionError(f"exit code {code}:\n{self.log()}")

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join(DEADLINE)
        self._process.stdout.close()
        self._directory.cleanup()

"""A broadcast-host of one's own, on free ports, with a config made for the test."""

import http.client
import json
import os
import tempfile

from certificates import Certificates
from process import DEADLINE, Process, run
from raw_websocket import RawSocket

HOST_BINARY = os.environ["BROADCAST_HOST"]  # set by ctest, as the next ones
PLUGINS = os.environ["BROADCAST_PLUGINS"]
TEST_PLUGINS = os.environ["BROADCAST_TEST_PLUGINS"]
FLUSH = os.environ.get("BROADCAST_FLUSH")  # for the tests that ctest runs with both flushers
TLS = None
if os.environ.get("BROADCAST_TLS"):  # for those that it runs over TLS, too
    _directory = tempfile.TemporaryDirectory(prefix="broadcast-tls-")
    _certificates = Certificates(_directory.name)
    TLS = {"certificate": _certificates.certificate, "key": _certificates.key}
    RawSocket.tls = _certificates.client_context()


def test_plugin(name, library=None, **more):
    """An entry of `broadcasters:` for a plugin that is only there for tests."""
    return {name: {"library": os.path.join(TEST_PLUGINS, library or f"lib{name}.so"), **more}}


def mirror():
    """The one that publishes what it is sent."""
    return test_plugin("mirror", permissions=["clients"])


def complete(config):
    """`config` on free ports; what it says itself comes first."""
    full = {"server": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"},
            "plugins": {"directory": PLUGINS}}
    if FLUSH:
        full["server"]["flush"] = FLUSH
    if TLS:
        full["server"]["tls"] = TLS
    for section, values in config.items():
        if isinstance(values, dict):
            full.setdefault(section, {}).update(values)
        else:
            full[section] = values
    return full


class ConfigFile:
    """`config` as a file, as long as the block."""

    def __init__(self, config):
        self._directory = tempfile.TemporaryDirectory(prefix="broadcast-host-")
        self.path = os.path.join(self._directory.name, "host.yaml")
        self.write(config)

    def write(self, config):
        with open(self.path, "w", encoding="utf-8") as file:
            if isinstance(config, str):
                file.write(config)
            else:
                json.dump(complete(config), file, indent=1)  # JSON is YAML

    def __enter__(self):
        return self.path

    def __exit__(self, *error):
        self._directory.cleanup()


def run_host(config, *arguments):
    """The host where it is expected to end by itself: --check, or a refusal to start."""
    with ConfigFile(config) as path:
        return run(HOST_BINARY, "--config", path, *arguments)


class Host(Process):
    """`with Host({"broadcasters": mirror()}) as host:` listening when the block begins."""

    def __init__(self, config, launcher=(), binary=HOST_BINARY, **how):
        self._file = ConfigFile(config)
        super().__init__(*launcher, binary, "--config", self._file.path, **how)

    def __enter__(self):
        try:
            found = self.wait_for_line(r"listening on (wss?)://(?:127\.0\.0\.1:(\d+)|unix:\S+\.sock)\b.*?(/[^/ ]*) with")
            self.scheme = found.group(1)
            self.port = int(found.group(2) or 0)
            self.path = found.group(3)
            self.admin_port = int(self.wait_for_line(r"admin on https?://[^ ]*:(\d+)").group(1))
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self):
        super().kill()
        self._file.__exit__()

    def replace_by_pipe(self):
        """Its config file: a read of it takes as long as the test wants. What writes it, once the host has begun."""
        os.remove(self._file.path)
        os.mkfifo(self._file.path)
        return lambda: open(self._file.path, "w", encoding="utf-8")

    def rewrite(self, config):
        """Another config in its file; it reads that when it is told to."""
        self._file.write(config)

    def url(self, target=None):
        name = "localhost" if self.scheme == "wss" else "127.0.0.1"  # as the certificate has it
        return f"{self.scheme}://{name}:{self.port}{target or self.path}"

    def wait_until_started(self, broadcaster):
        self.wait_for_line(rf"\b{broadcaster}: started")

    def publish(self, topic, payload, token=None):
        """POST as a producer does; `payload` is text, or what becomes JSON. (status, answer)"""
        body = payload if isinstance(payload, (str, bytes)) else json.dumps(payload, separators=(",", ":"))
        body = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=DEADLINE)
        try:
            connection.request("POST", "/v1/publish/" + topic, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def post(self, path, token=None):
        """(status, answer)"""
        headers = {} if token is None else {"Authorization": "Bearer " + token}
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=DEADLINE)
        try:
            connection.request("POST", path, headers=headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def get(self, path, token=None):
        """(status, headers with lower-case names, body as text)"""
        headers = {} if token is None else {"Authorization": "Bearer " + token}
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=DEADLINE)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, response.read().decode()
        finally:
            connection.close()

    def metrics(self):
        return self.get("/metrics")[2]

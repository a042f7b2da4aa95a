"""A real Redis of one's own."""

import os
import subprocess
import time

import redis

from process import DEADLINE, Process
from server import Server

USER, PASSWORD = "producer", "pa55/w0rd@x"  # characters that a URL has to write as %2F and %40
ENCODED = "pa55%2Fw0rd%40x"


class RedisServer(Server):
    """`with RedisServer() as server:` it answers when the block begins. With `durable`, what it acknowledged is on the disk;
    with `user` nobody else may do anything; with `tls` certificates it speaks TLS only."""

    def __init__(self, durable=False, user=False, tls=None, more=()):
        super().__init__("redis")
        self.socket = os.path.join(self._directory, "redis.sock")
        self._tls = tls
        self._user = user
        self._arguments = ["--dir", self._directory, "--bind", "127.0.0.1", "--save", "", "--unixsocket", self.socket,
                           "--daemonize", "no", "--appendonly", "yes" if durable else "no", "--appendfsync", "always"]
        if tls:
            self._arguments += ["--port", "0", "--tls-port", str(self.port), "--tls-cert-file", tls.certificate,
                                "--tls-key-file", tls.key, "--tls-ca-cert-file", tls.ca, "--tls-auth-clients", "no"]
        else:
            self._arguments += ["--port", str(self.port)]
        if user:
            self._arguments += ["--user", "default", "off", "--user", USER, "on", ">" + PASSWORD, "~*", "&*", "+@all"]
        self._arguments += more

    def start(self):
        """Again, where it was, with what it kept."""
        self._server = Process("redis-server", *self._arguments)
        self._server.wait_for_line("Ready to accept connections|Server initialized")
        until = time.monotonic() + DEADLINE
        while True:
            try:
                self.client().ping()
                return
            except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                if time.monotonic() > until:
                    raise

    def client(self, **more):
        """Python's own, as producers have it."""
        # It leaves a unix socket that is refused open.
        how = {"unix_socket_path": self.socket} if self._tls else {"port": self.port}
        if self._user:
            how |= {"username": USER, "password": PASSWORD}
        return redis.Redis(**how, socket_timeout=DEADLINE, **more)

    def url(self, scheme="redis", host="127.0.0.1", secret=f"{USER}:{ENCODED}", database=0):
        return f"{scheme}://{secret + '@' if self._user else ''}{host}:{self.port}/{database}"

    def cli(self, *words):
        """`redis-cli`: its output."""
        return subprocess.run(["redis-cli", "-s", self.socket, *words], stdout=subprocess.PIPE, text=True,
                              timeout=DEADLINE, check=True).stdout

"""Other servers, started as the host is: on loopback, one process each, on the server's core. Those that do
not publish by themselves are fed from the load's core."""

import contextlib
import os
import pathlib
import select
import shutil
import socket
import string
import tempfile
import threading
import time

from process import DEADLINE, Process
from servers import CORES, ROOT, Host, Skipped, host_config, pinned

PEERS = ROOT / "bench" / "peers"
MESSAGE_BYTES = 300
SUBSCRIBERS = 1000  # bench_load's default; who publishes by itself waits for them


class Load:
    """What is published: `rate` messages a second; in bursts at each tick, if there is one."""

    def __init__(self, rate, tick_ms=0):
        self.rate = rate
        self.tick_ms = tick_ms
        self.period = tick_ms / 1000 or (1 / rate if rate else 0)
        self.each = round(rate * self.period)


def message(number):
    head = f'{{"topic":"bench","seq":{number},"type":"bench","t":{time.monotonic_ns()},"bseq":{number},"pad":"'
    return (head.ljust(MESSAGE_BYTES - 2, "x") + '"}').encode()


class Feed:
    """Publishes to a server that wants it from outside, from construction to close()."""

    def __init__(self, port, load, encode, is_refusal, greeting=b""):
        self._load = load
        self._encode = encode
        self._is_refusal = is_refusal
        self._stopped = threading.Event()
        self._error = None
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(greeting)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        due = time.monotonic()
        number = 0
        try:
            while not self._stopped.wait(max(0.0, (due := due + self._load.period) - time.monotonic())):
                burst = [self._encode(message(number + 1 + i)) for i in range(self._load.each)]
                number += len(burst)
                self._socket.sendall(b"".join(burst))
                self._read_answers()
        except OSError as error:
            self._error = error

    def _read_answers(self):
        if not select.select([self._socket], [], [], 0)[0]:
            return
        answer = self._socket.recv(65536)
        if not answer or self._is_refusal(answer):
            raise OSError(f"the server answered {answer[:200]!r}")

    def close(self):
        self._stopped.set()
        self._thread.join(DEADLINE)
        self._socket.close()
        if self._error:
            raise AssertionError(f"publishing: {self._error}")


class Peer(Process):
    """Ready when `listening` matches its output. It may end with any code when it is told to."""

    path = "/"
    listening = r"listening on ws://127\.0\.0\.1:(\d+)"

    def __init__(self, *command):
        if not shutil.which(command[0]):
            raise Skipped(f"{command[0]} is not installed")
        super().__init__(*pinned(CORES.server), *command)
        self._feed = None

    def __enter__(self):
        try:
            self.port = self.find_port()
            self._feed = self.start_feed()
        except BaseException:
            self.kill()
            raise
        return self

    def find_port(self):
        return int(self.wait_for_line(self.listening).group(1))

    def start_feed(self):
        return None

    def expect_end(self):
        self.wait()

    def __exit__(self, *error):
        try:
            if self._feed:
                self._feed.close()
        finally:
            super().__exit__(*error)


class Node(Peer):
    listening = r"listening on wss?://127\.0\.0\.1:(\d+)"

    def __init__(self, load, certificates=None):
        if not (PEERS / "node_modules" / "ws").is_dir():
            raise Skipped("the package ws is not installed: npm ci in bench/peers")
        files = (certificates.certificate, certificates.key) if certificates else ()
        super().__init__("node", str(PEERS / "ws_server.mjs"), str(load.rate), str(load.tick_ms),
                         str(SUBSCRIBERS), *files)


class FastApi(Peer):
    path = "/ws"
    listening = r"Uvicorn running on http://127\.0\.0\.1:(\d+)"

    def __init__(self, load, *settings, packages=()):
        for package in ("fastapi", "uvicorn", "websockets", *packages):
            if not pathlib.Path("/usr/lib/python3/dist-packages", package).is_dir():
                raise Skipped(f"python3-{package} is not installed")
        super().__init__("env", f"BENCH_RATE={load.rate}", f"BENCH_TICK_MS={load.tick_ms}",
                         f"BENCH_SUBSCRIBERS={SUBSCRIBERS}", *settings, "/usr/bin/python3", "-B", "-m", "uvicorn",
                         "fastapi_app:app", "--app-dir", str(PEERS), "--host", "127.0.0.1", "--port", "0",
                         "--backlog", "4096", "--ws", "websockets", "--no-access-log")


class Redis(Process):
    """What producers publish through, on the load's core."""

    def __init__(self):
        if not shutil.which("redis-server"):
            raise Skipped("redis-server is not installed")
        self.port, = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        super().__init__(*pinned(CORES.load), "redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
                         "--save", "")
        self.wait_for_line("Ready to accept connections")

    def feed(self, load):
        head = b"*3\r\n$7\r\nPUBLISH\r\n$18\r\nws:broadcast:bench\r\n$%d\r\n%s\r\n"
        return Feed(self.port, load, lambda text: head % (len(text), text), lambda answer: b"-" in answer)


class FastApiOnRedis(FastApi):
    def __init__(self, load):
        self._load = load
        self._redis = Redis()
        try:
            super().__init__(Load(0), "BENCH_REDIS=" + self._redis.url, packages=("redis",))
        except BaseException:
            self._redis.kill()
            raise

    def start_feed(self):
        self.wait_for_line("subscribed to ws:broadcast:")
        return self._redis.feed(self._load)

    def kill(self):
        super().kill()
        self._redis.kill()


class HostOnRedis(Host):
    """A topic that the host relays from Redis."""

    def __init__(self, load):
        self._load = load
        self._feed = None
        self._redis = Redis()
        config = host_config("steady")
        config["broadcasters"] = {}
        super().__init__(config | {"relay": ["bench"], "redis": {"url": self._redis.url}},
                         launcher=pinned(CORES.server))

    def __enter__(self):
        super().__enter__()
        try:
            self.wait_for_line("subscribed to ws:broadcast:")
            self._feed = self._redis.feed(self._load)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *error):
        try:
            if self._feed:
                self._feed.close()
        finally:
            super().__exit__(*error)

    def kill(self):
        super().kill()
        self._redis.kill()


class Nats(Peer):
    listening = r"Listening for websocket clients on ws://127\.0\.0\.1:(\d+)"

    def __init__(self, load):
        self._load = load
        super().__init__("nats-server", "--config", str(PEERS / "nats.conf"))

    def start_feed(self):
        port = int(self.wait_for_line(r"Listening for client connections on 127\.0\.0\.1:(\d+)").group(1))
        self.wait_for_line("Server is ready")
        if not self._load.rate:
            return None
        # Its PINGs, which come every two minutes, may go unanswered so long.
        return Feed(port, self._load, lambda text: b"PUB bench %d\r\n%s\r\n" % (len(text), text),
                    lambda answer: b"-ERR" in answer, b'CONNECT {"verbose":false,"pedantic":false}\r\n')


class Nchan(Peer):
    listening = "using the .epoll. event method"  # which it says once it listens

    def __init__(self, load, certificates=None):
        if not os.path.exists("/usr/lib/nginx/modules/ngx_nchan_module.so"):
            raise Skipped("libnginx-mod-nchan is not installed")
        self._load = load
        self._folder = tempfile.TemporaryDirectory(prefix="bench-nchan-")
        self._port, self._feed_port = free_ports(2)
        tls = (f"ssl_certificate {certificates.certificate}; ssl_certificate_key {certificates.key};"
               if certificates else "")
        config = string.Template((PEERS / "nchan.conf").read_text(encoding="utf-8")).safe_substitute(
            PORT=self._port, SSL="ssl" if certificates else "", FEED_PORT=self._feed_port, CERTIFICATE=tls)
        path = pathlib.Path(self._folder.name, "nginx.conf")
        path.write_text(config, encoding="utf-8")
        self.path = f"/ws?id={'bench' if load.rate else 'idle'}"
        super().__init__("nginx", "-p", self._folder.name, "-c", str(path), "-e", "stderr")

    def find_port(self):
        self.wait_for_line(self.listening)
        return self._port

    def start_feed(self):
        if not self._load.rate:
            return None
        head = b"POST /pub?id=bench HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        return Feed(self._feed_port, self._load, lambda text: head % len(text) + text,
                    lambda answer: b"HTTP/1.1 4" in answer or b"HTTP/1.1 5" in answer)

    def kill(self):
        super().kill()
        self._folder.cleanup()


def free_ports(count):
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]

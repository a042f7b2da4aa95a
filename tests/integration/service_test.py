#!/usr/bin/python3
"""Under a service manager: what systemd is told, the sockets that it passes, and restarts that refuse nobody."""

import asyncio
import json
import os
import signal
import socket
import tempfile
import unittest

import websockets

from host import HOST_BINARY, ConfigFile, Host, mirror
from process import DEADLINE, Process, run
from raw_websocket import RawSocket, upgrade_request
from server import free_port

RESTARTS = int(os.environ.get("BROADCAST_RESTARTS", "5"))
CLIENTS = 20


def listening():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


def passing(sockets):
    """What starts a host with listening sockets as systemd passes them, {name: socket}: for Host and Process."""
    redirections = " ".join(f"{3 + i}<&{one.fileno()}" for i, one in enumerate(sockets.values()))
    script = f'exec env LISTEN_PID=$$ LISTEN_FDS={len(sockets)} LISTEN_FDNAMES={":".join(sockets)} "$@" {redirections}'
    return ("sh", "-c", script, "sh"), [one.fileno() for one in sockets.values()]


class Passed(Host):
    """A host that is passed these sockets."""

    def __init__(self, config, sockets):
        launcher, descriptors = passing(sockets)
        super().__init__(config, launcher=launcher, pass_fds=descriptors)


class NotifyTest(unittest.TestCase):
    def start(self, **variables):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-notify-"))
        self.manager = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.manager.settimeout(DEADLINE)
        self.manager.bind(os.path.join(directory, "notify"))
        words = [f"{name}={value}" for name, value in variables.items()]
        return self.enterContext(Host({"broadcasters": mirror()}, launcher=(
            "env", "NOTIFY_SOCKET=" + os.path.join(directory, "notify"), *words)))

    def told(self):
        """The next notification, line by line."""
        return self.manager.recv(4096).decode().split("\n")

    def told_of(self, what):
        while what not in (lines := self.told()):
            pass
        return lines

    def test_it_is_told_of_a_start_a_reload_and_a_stop(self):
        host = self.start()
        self.assertEqual(self.told(), ["READY=1", f"STATUS=serving on 127.0.0.1:{host.port}"])
        os.kill(host.pid, signal.SIGHUP)
        lines = self.told()
        self.assertEqual(lines[0], "RELOADING=1")
        self.assertRegex(lines[1], r"^MONOTONIC_USEC=\d+$")
        self.assertEqual(self.told()[0], "READY=1")
        host.terminate()
        self.assertEqual(self.told()[0], "STOPPING=1")
        host.expect_end()

    def test_the_watchdog_hears_of_it_while_every_shard_turns(self):
        self.start(WATCHDOG_USEC="4000000")
        self.told_of("READY=1")
        for _ in range(2):
            self.told_of("WATCHDOG=1")


class SocketsTest(unittest.TestCase):
    def connect(self, to):
        with RawSocket.over(to) as client:
            self.assertEqual(client.respond(upgrade_request("127.0.0.1"))[0], 101)
            self.assertEqual(json.loads(client.receive()[1])["type"], "connected")

    def test_sockets_that_are_passed_serve_every_shard_and_nothing_is_bound_beside(self):
        port = free_port()
        with listening() as clients, listening() as admin:
            config = {"broadcasters": mirror(), "server": {"listen": f"127.0.0.1:{port}", "threads": 2}}
            host = self.enterContext(Passed(config, {"clients": clients, "admin": admin}))
            host.wait_for_line(r"listening on ws://127\.0\.0\.1:\d+/ws with 2 shards, on sockets that systemd keeps")
            self.assertEqual((host.port, host.admin_port), (clients.getsockname()[1], admin.getsockname()[1]))
            for _ in range(20):
                self.connect(socket.create_connection(clients.getsockname(), DEADLINE))
            self.assertEqual(host.get("/livez")[0], 200)
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), DEADLINE)

    def test_several_sockets_also_more_than_shards_and_unix_ones(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-unix-"))
        path = os.path.join(directory, "ws.sock")
        with listening() as one, listening() as two, socket.socket(socket.AF_UNIX) as three:
            three.bind(path)
            three.listen(16)
            self.enterContext(Passed({"broadcasters": mirror(), "server": {"threads": 1}}, {"a": one, "b": two, "c": three}))
            for address in (one.getsockname(), two.getsockname()):
                self.connect(socket.create_connection(address, DEADLINE))
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(DEADLINE)
            client.connect(path)
            self.connect(client)

    def expect_refused(self, name, passed, why):
        launcher, descriptors = passing({name: passed})
        with ConfigFile({"broadcasters": mirror()}) as path:
            host = Process(*launcher, HOST_BINARY, "--config", path, pass_fds=descriptors)
            try:
                self.assertEqual(host.wait(), 1)
                self.assertIn(why, host.log())
            finally:
                host.kill()

    def test_what_cannot_be_used_is_named(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", 0))
            self.expect_refused("clients", datagrams,
                                "descriptor 3 (clients), which is no listening stream socket; use ListenStream=")

    def test_an_admin_socket_that_others_can_reach_needs_a_token(self):
        with socket.socket() as admin:
            admin.bind(("0.0.0.0", 0))
            admin.listen(1)
            self.expect_refused("admin", admin,
                                "can be reached from beyond this machine, and admin.tokens is empty; add a token")

    def test_systemds_own_socket_activation(self):
        port = free_port()
        with ConfigFile({"broadcasters": mirror()}) as path:
            host = Process("systemd-socket-activate", f"--listen=127.0.0.1:{port}", "--fdname=clients", HOST_BINARY, "--config", path)
            try:
                host.wait_for_line("Listening on")
                self.connect(socket.create_connection(("127.0.0.1", port), DEADLINE))  # starts it
                host.stop()
            finally:
                host.kill()

    def test_the_unit_of_the_docs_is_one(self):
        docs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "operations.md")
        with open(docs, encoding="utf-8") as file:
            units = [block.split("```")[0] for block in file.read().split("```ini\n")[1:]]
        self.assertEqual(len(units), 2)
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-units-"))
        for unit in units:
            name = unit.split("\n")[0].removeprefix("# /etc/systemd/system/")
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(unit.replace("/usr/bin/broadcast-host", HOST_BINARY))
        ended = run("systemd-analyze", "verify", "--man=no", "--generators=no", os.path.join(directory, "broadcast-host.socket"),
                    os.path.join(directory, "broadcast-host.service"))
        self.assertNotRegex(ended.stdout, r"broadcast-host\.(service|socket)")


class UnixSocketTest(unittest.TestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-unix-"))
        self.path = os.path.join(self.directory, "ws.sock")
        self.config = {"broadcasters": mirror(), "server": {"listen": "unix:" + self.path, "threads": 2,
                                                            "trusted_proxies": ["unix"]}}

    def client(self, **headers):
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(DEADLINE)
        connected.connect(self.path)
        client = self.enterContext(RawSocket.over(connected))
        self.assertEqual(client.respond(upgrade_request("localhost", **headers))[0], 101)
        return client

    def test_clients_come_through_it_and_the_proxy_says_whose_they_are(self):
        with Host(self.config) as host:
            self.assertIn(f"listening on ws://unix:{self.path}/ws with 2 shards", host.log())
            clients = [self.client(), self.client(X_Forwarded_For="192.0.2.7")]
            for client in clients:
                self.assertEqual(json.loads(client.receive()[1])["type"], "connected")
            shown = sorted(client["address"] for client in json.loads(host.get("/v1/clients")[2])["clients"])
            self.assertEqual(shown, ["192.0.2.7:0", "unix"])
            for client in clients:
                client.socket.close()
        self.assertFalse(os.path.exists(self.path), "it was removed")

    def test_one_that_was_left_behind_is_replaced_and_one_in_use_is_not(self):
        with Host(self.config) as host:
            host.kill()
        self.assertTrue(os.path.exists(self.path))
        with Host(self.config), ConfigFile(self.config) as path:
            for arguments, code in (((), 1), (("--check",), 0)):
                ended = run(HOST_BINARY, "--config", path, *arguments)
                self.assertEqual(ended.returncode, code, ended.stdout)
                self.assertRegex(ended.stdout, "server.listen: .*in use")
            self.client().socket.close()

    def test_what_is_no_socket_stays(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("precious")
        with ConfigFile(self.config) as path:
            for arguments in ((), ("--check",)):
                ended = run(HOST_BINARY, "--config", path, *arguments)
                self.assertEqual(ended.returncode, 1)
                self.assertIn(f"server.listen: unix:{self.path}: ", ended.stdout)
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")


class Reconnecting:
    """A client as a page has it: back at once when it was closed, with `since`; notes every number that it sees."""

    def __init__(self, url):
        self._url = url
        self.seen = []
        self.texts = {}
        self.refused = 0
        self._news = asyncio.Condition()
        self._since = None

    async def run(self):
        while True:
            try:
                async with websockets.connect(self._url, open_timeout=DEADLINE, ping_interval=None) as client:
                    ask = {"type": "subscribe", "topics": ["signal:vcp"]}
                    await client.send(json.dumps(ask | ({"since": {"signal:vcp": self._since}} if self._since else {})))
                    async for text in client:
                        await self._take(json.loads(text))
            except OSError:
                self.refused += 1
                return
            except websockets.ConnectionClosed:
                pass

    async def _take(self, message):
        if message["type"] == "subscribed":
            topic, = message["topics"]
            if self._since is None:
                self._since = {"epoch": topic["epoch"], "seq": topic["seq"]}
            assert topic["epoch"] == self._since["epoch"]
        elif message.get("topic") == "signal:vcp":
            self._since["seq"] = message["seq"]
            async with self._news:
                self.seen.append(message["seq"])
                self.texts[message["seq"]] = message["n"]
                self._news.notify_all()

    async def reach(self, seq):
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: self.seen and self.seen[-1] >= seq), DEADLINE)


class RestartTest(unittest.IsolatedAsyncioTestCase):
    async def test_restarts_under_load_refuse_nobody_and_nothing_is_missed(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-restart-"))
        config = {"broadcasters": mirror(), "history": {"messages": 100_000}, "server": {"threads": 2},
                  "state": {"path": os.path.join(directory, "state.db")}}
        with listening() as clients, listening() as admin:
            sockets = {"clients": clients, "admin": admin}
            host = Passed(config, sockets).__enter__()
            host.wait_until_started("mirror")
            readers = [Reconnecting(host.url()) for _ in range(CLIENTS)]
            tasks = [asyncio.create_task(reader.run()) for reader in readers]
            refused, acknowledged, is_over, news = [], {}, asyncio.Event(), asyncio.Condition()

            async def come_and_go():
                while not is_over.is_set():
                    try:
                        async with websockets.connect(f"ws://127.0.0.1:{clients.getsockname()[1]}/ws", open_timeout=DEADLINE):
                            pass
                    except OSError as error:
                        refused.append(error)
                    except (websockets.ConnectionClosed, websockets.InvalidHandshake):
                        pass  # it was on its way when the host ended

            async def publish():
                number = 0
                while not is_over.is_set():
                    number += 1
                    body = json.dumps({"type": "signal", "n": number}).encode()
                    try:
                        reader, writer = await asyncio.open_connection("127.0.0.1", admin.getsockname()[1])
                    except OSError as error:
                        refused.append(error)
                        return
                    try:
                        writer.write(b"POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                     b"Content-Length: %d\r\n\r\n" % len(body) + body)
                        answer = await asyncio.wait_for(reader.read(), DEADLINE)
                        if not answer.startswith(b"HTTP/1.1 200"):
                            continue
                        async with news:
                            acknowledged[json.loads(answer.split(b"\r\n\r\n", 1)[1])["seq"]] = number
                            news.notify_all()
                    except ConnectionError:
                        pass  # what becomes of it, nobody knows
                    finally:
                        writer.close()

            others = [asyncio.create_task(come_and_go()), asyncio.create_task(publish())]
            try:
                for _ in range(RESTARTS):
                    wanted = len(acknowledged) + 3
                    async with news:
                        await asyncio.wait_for(news.wait_for(lambda: len(acknowledged) >= wanted), DEADLINE)
                    host.terminate()
                    await asyncio.to_thread(host.expect_end)
                    host.kill()
                    host = await asyncio.to_thread(Passed(config, sockets).__enter__)
                is_over.set()
                await asyncio.wait_for(asyncio.gather(*others), DEADLINE)
                self.assertEqual(refused, [])
                last = max(acknowledged)
                for reader, task in zip(readers, tasks):
                    self.assertFalse(task.done(), task)
                    await reader.reach(last)
                    self.assertEqual(reader.seen, list(range(reader.seen[0], reader.seen[-1] + 1)))
                    self.assertEqual(reader.refused, 0)
                    for seq, number in acknowledged.items():
                        self.assertEqual(reader.texts.get(seq, number), number)
            finally:
                for task in tasks + others:
                    task.cancel()
                host.kill()


if __name__ == "__main__":
    unittest.main()

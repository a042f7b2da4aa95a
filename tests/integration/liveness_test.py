#!/usr/bin/python3
"""Who is alive: the protocol's own pings, and what a pause of the host itself must not do to anybody."""

import contextlib
import json
import os
import select
import signal
import struct
import time
import unittest

from host import Host, mirror
from process import DEADLINE
from raw_websocket import CLOSE, PING, PONG, TEXT, RawSocket, frame

INTERVAL = 0.2
TIMEOUT = 3.0
PAUSE = 4.0  # longer than what is measured, and than the shards need to see that they were late
SILENT = struct.pack("!H", 4408) + b"heartbeat timeout"


def beating():
    return {"heartbeat": {"permissions": ["clients"],
                          "config": {"interval": f"{INTERVAL * 1000:.0f}ms", "timeout": f"{TIMEOUT * 1000:.0f}ms"}}}


class Listener(RawSocket):
    """Sends nothing but what a WebSocket library answers by itself."""

    def next(self, *, answers=True):
        """The next frame that is not a ping."""
        while True:
            first, payload = self.receive()
            if first != 0x80 | PING:
                return first, payload
            if answers:
                self.send(frame(PONG, payload))

    def next_text(self, kind):
        while True:
            first, payload = self.next()
            assert first == 0x80 | TEXT, payload
            message = json.loads(payload)
            if message["type"] == kind:
                return message

    def close_frame(self):
        while True:
            first, payload = self.next(answers=False)
            if first == 0x80 | CLOSE:
                return payload

    def take_all(self, *, answers):
        """Reads the frames that are there; of a close frame its payload."""
        while True:
            first, payload = self.receive()
            if first == 0x80 | CLOSE:
                return payload
            if answers and first == 0x80 | PING:
                self.send(frame(PONG, payload))
            if not self._buffer:
                return None

    def say(self, **command):
        self.send(frame(TEXT, json.dumps(command).encode()))

    def ask(self, answer, **command):
        self.say(**command)
        return self.next_text(answer)


class LivenessTest(unittest.TestCase):
    def start(self, broadcasters=None, **limits):
        host = self.enterContext(Host({"broadcasters": {**mirror(), **(broadcasters or {})},
                                       "server": {"threads": 1}, "limits": limits}))
        for name in ["mirror", *(broadcasters or {})]:
            host.wait_until_started(name)
        return host

    def connect(self, host, *topics, **how):
        client = self.enterContext(Listener(host.port, **how))
        client.upgrade(host.path + ("?subscribe=" + ",".join(topics) if topics else ""))
        client.hello = client.next_text("connected")
        for _ in topics:
            client.next_text("subscribed")
        return client

    @contextlib.contextmanager
    def paused(self, host):
        """Stopped within the block, and for PAUSE at least: how long that is, is what is tested."""
        begun = time.monotonic()
        os.kill(host.pid, signal.SIGSTOP)
        try:
            until = time.monotonic() + DEADLINE
            while self.state(host) != "T":
                self.assertLess(time.monotonic(), until)
            yield
            select.select([], [], [], max(0, begun + PAUSE - time.monotonic()))
        finally:
            os.kill(host.pid, signal.SIGCONT)

    @staticmethod
    def state(host):
        with open(f"/proc/{host.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0]

    # The protocol's own pings.

    def test_who_only_listens_stays_as_long_as_its_library_answers_pings(self):
        host = self.start(beating())
        client = self.connect(host)
        pings = 0
        while pings * INTERVAL < TIMEOUT + 1:  # no two of them are closer together
            first, payload = client.receive()
            self.assertNotEqual(first, 0x80 | CLOSE, payload)
            if first == 0x80 | PING:
                pings += 1
                client.send(frame(PONG, payload))
        self.assertEqual(client.close_frame(), SILENT)

    def test_who_sends_frames_is_not_pinged(self):
        host = self.start(beating())
        client = self.connect(host)
        pings = 0
        for _ in range(10):  # JSON pings, one an interval
            first, payload = client.receive()
            pings += first == 0x80 | PING
            client.say(type="pong")
        self.assertLess(pings, 5)

    def test_connected_tells_the_times(self):
        host = self.start(beating())
        until = time.monotonic() + DEADLINE
        while "ping_interval_ms" not in (hello := self.connect(host).hello):
            self.assertLess(time.monotonic(), until)  # it has started, and the shard is about to know it
        self.assertEqual((hello["ping_interval_ms"], hello["ping_timeout_ms"]), (INTERVAL * 1000, TIMEOUT * 1000))
        self.assertEqual(host.post("/v1/broadcasters/heartbeat/disable")[0], 200)
        while "ping_interval_ms" in self.connect(host).hello:
            self.assertLess(time.monotonic(), until)

    def test_who_reads_slowly_is_the_write_stalls_business(self):
        host = self.start(beating(), write_stall="10m")
        reader = self.connect(host, "price:005930", receive_buffer=4096)
        for _ in range(20):
            host.publish("price:005930", {"type": "burst", "text": "x" * 100_000})
        clock = self.connect(host)
        for _ in range(round((TIMEOUT + 1) / INTERVAL)):
            clock.next_text("ping")
        while reader.next_text("burst")["seq"] < 20:
            pass
        reader.ask("pong", type="ping")

    def test_whom_it_closes_it_does_not_close_all_at_once(self):
        host = self.start(beating())
        clients = [self.connect(host) for _ in range(300)]
        for client in clients:  # they fall silent together
            client.say(type="pong")
        poll = select.poll()
        for client in clients:
            client.socket.setblocking(False)
            poll.register(client.socket, select.POLLIN)
        came = {client.socket.fileno(): client._buffer for client in clients}
        by_number = {client.socket.fileno(): client.socket for client in clients}

        def closed():
            return sum(SILENT in bytes(data) for data in came.values())

        def read(timeout):
            for number, _ in poll.poll(timeout):
                data = by_number[number].recv(1 << 16)
                came[number] += data
                if not data:
                    poll.unregister(number)

        until = time.monotonic() + DEADLINE
        while closed() == 0:
            self.assertLess(time.monotonic(), until)
            read(1000)
        with self.paused(host):
            read(0)
            for _ in range(5):
                read(10)
            self.assertLess(closed(), 200)
        while closed() < len(clients):
            self.assertLess(time.monotonic(), until)
            read(1000)

    # A pause of the host itself.

    def test_a_pause_closes_nobody_but_who_is_dead(self):
        host = self.start(beating())
        listener, sender, dead = (self.connect(host) for _ in range(3))
        with self.paused(host):
            sender.say(type="pong")
        for client in (listener, sender):
            client.ask("pong", type="ping")
        poll = select.poll()
        for client in (listener, sender, dead):
            poll.register(client.socket, select.POLLIN)
        until = time.monotonic() + DEADLINE
        closed = None
        while closed is None:  # the others go on answering pings meanwhile
            self.assertLess(time.monotonic(), until)
            ready = {number for number, _ in poll.poll(1000)}
            for client in (listener, sender):
                if client.socket.fileno() in ready:
                    self.assertIsNone(client.take_all(answers=True))
            if dead.socket.fileno() in ready:
                closed = dead.take_all(answers=False)
        self.assertEqual(closed, SILENT)
        for client in (listener, sender):
            client.ask("pong", type="ping")

    def test_commands_that_gather_in_a_pause_are_no_flood(self):
        host = self.start(commands_per_second=40)
        client = self.connect(host)
        commands = 120  # as many a second as it may
        with self.paused(host):
            client.send(frame(TEXT, b'{"type":"ping"}') * commands)
        for _ in range(commands):
            client.next_text("pong")

    def test_a_pause_is_not_the_stall_of_a_reader(self):
        host = self.start(write_stall="3s")
        client = self.connect(host, "price:005930", receive_buffer=4096)
        messages = 3  # more than sockets hold, and published well before the stall
        for _ in range(messages):
            host.publish("price:005930", {"type": "burst", "text": "x" * 250_000})
        with self.paused(host):
            pass
        while client.next_text("burst")["seq"] < messages:
            pass

    def test_a_handshake_goes_on_after_a_pause(self):
        host = self.start(handshake="1s")
        client = self.enterContext(Listener(host.port))
        request = client.request(host.path)
        client.send(request[:20])
        with self.paused(host):
            client.send(request[20:])
        self.assertEqual(client.response()[0], 101)

    def test_a_pause_while_it_stops_leaves_readers_their_time(self):
        host = self.enterContext(Host({"broadcasters": mirror(), "server": {"threads": 1, "drain": "2s"},
                                       "limits": {"write_stall": "10m"}}))
        host.wait_until_started("mirror")
        client = self.connect(host, "signal:vcp", receive_buffer=4096)
        for _ in range(9):
            host.publish("signal:vcp", {"type": "burst", "text": "x" * 100_000})
        host.terminate()
        host.wait_for_line("SIGTERM: stopping")
        with self.paused(host):
            pass
        for seq in range(1, 10):
            self.assertEqual(client.next_text("burst")["seq"], seq)
        client.next_text("server_shutdown")
        self.assertEqual(client.close_frame()[:2], struct.pack("!H", 1001))
        client.send(frame(CLOSE, struct.pack("!H", 1001)))
        host.expect_end()


if __name__ == "__main__":
    unittest.main()

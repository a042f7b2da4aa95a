#!/usr/bin/python3
"""Every key of `limits`: who meets it gets a clear answer, and the operator a number under its name."""

import http.client
import json
import os
import re
import resource
import select
import struct
import tempfile
import time
import unittest

from host import Host, mirror
from process import DEADLINE
from raw_websocket import CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, frame

PRICE = "price:005930"
ANSWERED = 64  # handshakes that may stay behind their answer, a shard
IS_SANITIZED = bool(os.environ.get("BROADCAST_SANITIZED"))
WHY_NOT_SANITIZED = "UBSan takes a pipe to look at a type that it meets for the first time"


class LimitsTest(unittest.TestCase):
    def start(self, **limits):
        config = {"broadcasters": mirror(), "server": {"threads": 1}, "limits": limits}
        host = self.enterContext(Host(config))
        host.wait_until_started("mirror")
        return host

    def connect(self, host, *topics, receive_buffer=None):
        client = self.enterContext(RawSocket(host.port, receive_buffer=receive_buffer))
        client.upgrade(host.path + ("?subscribe=" + ",".join(topics) if topics else ""))
        for _ in range(1 + len(topics)):
            client.receive()
        return client

    def ask(self, client, **command):
        client.send(frame(TEXT, json.dumps(command).encode()))
        return json.loads(client.receive()[1])

    def counted(self, host, limit, times=1):
        """The client may know a moment before the number is there."""
        pattern = rf'^broadcast_limit_reached_total\{{limit="{limit}"\}} (\d+)$'
        until = time.monotonic() + DEADLINE
        while True:
            found = re.search(pattern, host.metrics(), re.MULTILINE)
            self.assertIsNotNone(found, f"limits.{limit} has no metric")
            if int(found.group(1)) >= times:
                return
            self.assertLess(time.monotonic(), until, f"limits.{limit} counted {found.group(1)}")

    def close_code(self, client):
        while True:
            first, payload = client.receive()
            if first == 0x80 | CLOSE:
                return struct.unpack("!H", payload[:2])[0]

    def test_message(self):
        host = self.start(message="1KiB")
        client = self.connect(host)
        client.send(frame(TEXT, b"x" * 1025))
        self.assertEqual(self.close_code(client), 1009)
        self.counted(host, "message")

    def test_outbox(self):
        host = self.start(outbox="64KiB", publish="16KiB")
        client = self.connect(host, "signal:vcp", receive_buffer=4096)
        while True:  # as much as its kernel takes, and then what waits
            status, answer = host.publish("signal:vcp", {"type": "burst", "text": "x" * 16_000})
            if status == 200 and answer["subscribers"] == 0:
                break
        self.counted(host, "outbox")

    def test_publish(self):
        host = self.start(publish="2KiB")
        status, answer = host.publish(PRICE, {"type": "burst", "text": "x" * 2048})
        self.assertEqual((status, answer["error"]), (413, "too_large"))
        self.assertIn("limits.publish", answer["message"])
        self.counted(host, "publish")

    def test_write_stall(self):
        host = self.start(write_stall="200ms")
        client = self.connect(host, PRICE, receive_buffer=4096)
        for _ in range(20):
            host.publish(PRICE, {"type": "burst", "text": "x" * 100_000})
        reset = select.poll()
        reset.register(client.socket, 0)  # errors only: nothing is read
        self.assertTrue(reset.poll(DEADLINE * 1000))
        self.counted(host, "write_stall")

    def test_handshake(self):
        host = self.start(handshake="500ms")
        client = self.enterContext(RawSocket(host.port))
        client.send(b"GET /ws HTTP/1.1\r\n")
        self.assertEqual(client.rest(), b"")
        self.counted(host, "handshake")

    def test_a_request_that_comes_with_the_deadline_does_no_harm(self):
        host = self.start(handshake="500ms")
        clients = [self.enterContext(RawSocket(host.port)) for _ in range(300)]
        request = clients[0].request(host.path, X_Filling="x" * 2000)  # more than is read at first
        self.assertEqual(clients[0].rest(), b"")  # its time is over, and so is that of the others
        for client in clients[1:]:
            try:
                client.send(request)
            except OSError:
                pass  # closed already
        self.connect(host)
        self.counted(host, "handshake")

    def test_a_client_that_is_closed_at_once_was_told_101_before(self):
        host = self.start(outbox="16KiB", publish="4KiB")
        for number in range(60):
            host.publish(f"price:{number:06}", {"type": "burst", "text": "x" * 64})
        topics = ",".join(f"price:{number:06}" for number in range(120))
        client = self.enterContext(RawSocket(host.port))
        client.send(client.request(f"{host.path}?subscribe={topics}"))
        self.assertEqual(client.response()[0], 101)

    def test_topics(self):
        host = self.start(topics=2, topics_per_connection=2, topics_per_request=2)
        client = self.connect(host, "price:000001", "price:000002")
        other = self.connect(host)
        answer = self.ask(other, type="subscribe", topic="price:000003")
        self.assertEqual((answer["type"], answer["code"]), ("error", "too_many_topics"))
        self.counted(host, "topics")
        self.assertEqual(self.ask(client, type="list")["type"], "subscriptions")

    def test_topics_per_broadcaster(self):
        host = self.start(topics=10, topics_per_connection=10, topics_per_request=10, topics_per_broadcaster=2)
        client = self.connect(host, "price:000001", "price:000002")
        answer = self.ask(client, type="subscribe", topic="price:000003")
        self.assertEqual((answer["type"], answer["code"]), ("error", "too_many_topics"))
        self.assertEqual(host.publish("price:000004", {"type": "x"})[0], 503)
        host.wait_for_line(r"mirror: publish on price:000004 refused: limits\.topics_per_broadcaster")
        self.counted(host, "topics_per_broadcaster", times=2)
        self.assertIn('broadcast_broadcaster_publish_refused_total{broadcaster="mirror",reason="topics"} 1', host.metrics())

    def test_topics_per_connection(self):
        host = self.start(topics_per_connection=1, topics_per_request=1)
        client = self.connect(host, PRICE)
        answer = self.ask(client, type="subscribe", topic="price:000660")
        self.assertEqual(answer["code"], "too_many_topics")
        self.assertIn("1 topics", answer["message"])
        self.counted(host, "topics_per_connection")

    def test_topics_per_address(self):
        host = self.start(topics_per_address=2)
        self.connect(host, "price:000001")
        client = self.connect(host, "price:000002")
        answer = self.ask(client, type="subscribe", topic="price:000003")
        self.assertEqual((answer["type"], answer["code"]), ("error", "too_many_topics"))
        self.assertEqual(self.ask(client, type="subscribe", topic="price:000001")["type"], "subscribed")
        self.counted(host, "topics_per_address")

    def test_who_comes_and_goes_does_not_take_the_places_of_new_tickers(self):
        host = self.start(topics=2000, commands_per_second=0)
        self.connect(host, "price:*")
        client = self.connect(host)
        for first in range(0, 2560, 128):
            tickers = [f"price:{number:06}" for number in range(first, first + 128)]
            for kind in ("subscribe", "unsubscribe"):
                self.ask(client, type=kind, topics=tickers)
        self.counted(host, "topics_per_connection")
        answer = self.ask(self.connect(host), type="subscribe", topic="price:999999")
        self.assertEqual(answer["type"], "subscribed")

    def test_work_per_address(self):
        host = self.start(work_per_address=1)
        self.connect(host, "price:*")  # what it costs is paid off after many seconds
        answer = self.ask(self.connect(host), type="subscribe", topic="price:*")
        self.assertEqual((answer["type"], answer["code"]), ("error", "rate_limited"))
        self.counted(host, "work_per_address")

    def test_topics_per_request(self):
        host = self.start(topics_per_request=1)
        client = self.connect(host)
        answer = self.ask(client, type="subscribe", topics=[PRICE, "price:000660"])
        self.assertEqual(answer["code"], "too_many_topics")
        self.counted(host, "topics_per_request")

    def test_topic_name(self):
        host = self.start(topic_name=12)
        client = self.connect(host, PRICE)
        answer = self.ask(client, type="subscribe", topic="price:0059300")
        self.assertEqual(answer["code"], "invalid_topic")
        self.assertIn("13 bytes", answer["message"])
        self.counted(host, "topic_name")

    def test_commands_per_second(self):
        host = self.start(commands_per_second=1)
        client = self.connect(host)
        answers = [self.ask(client, type="ping") for _ in range(3)]
        refused = [answer for answer in answers if answer["type"] == "error"]
        self.assertEqual(refused[0]["code"], "rate_limited")
        self.assertGreater(refused[0]["retry_after_ms"], 0)
        self.counted(host, "commands_per_second", len(refused))

    def test_control_frames_per_second(self):
        host = self.start(control_frames_per_second=1)
        for name, first, frames in (("pings", b"", frame(PING, b"x")), ("pongs", b"", frame(PONG, b"")),
                                    ("empty fragments", frame(TEXT, b"x", fin=False),
                                     frame(CONTINUATION, b"", fin=False))):
            with self.subTest(name):
                client = self.connect(host)
                client.send(first + 9 * frames)  # ten at once
                if first:
                    client.send(frame(CONTINUATION, b""))
                else:
                    client.send(frame(TEXT, b"x"))
                while client.receive()[0] != 0x80 | TEXT:  # the error that the text is
                    pass
                client.send(first + 100 * frames)
                self.assertEqual(self.close_code(client), 4429)
        self.counted(host, "control_frames_per_second", 3)
        self.assertRegex(host.metrics(), r"\nbroadcast_control_frames_total [3-9]\d\n")

    def test_connections(self):
        host = self.start(connections=1)
        self.connect(host)
        client = self.enterContext(RawSocket(host.port))
        status, headers = client.respond(client.request(host.path))
        self.assertEqual((status, headers["retry-after"]), (503, "1"))
        self.assertIn(b"limits.connections", client.rest())
        self.counted(host, "connections")
        self.assertIn('\nbroadcast_handshakes_refused_total{reason="full"} 1\n', host.metrics())
        host.wait_for_line(r"warn.* handshake refused \(full\): 127\.0\.0\.1:\d+: 503 ")

    def test_connections_per_address(self):
        host = self.start(connections_per_address=1)
        self.connect(host)
        client = self.enterContext(RawSocket(host.port))
        status, _ = client.respond(client.request(host.path))
        self.assertEqual(status, 503)
        self.assertIn(b"limits.connections_per_address", client.rest())
        self.counted(host, "connections_per_address")
        self.assertIn('\nbroadcast_handshakes_refused_total{reason="full_address"} 1\n', host.metrics())

    def descriptors(self, host):
        return len(os.listdir(f"/proc/{host.pid}/fd"))

    def test_an_address_that_says_nothing_has_no_more_than_its_connections(self):
        host = self.start(connections_per_address=4, handshake="10m")
        before = self.descriptors(host)
        silent = [self.enterContext(RawSocket(host.port)) for _ in range(4)]
        refused = [self.enterContext(RawSocket(host.port)) for _ in range(300)]
        for client in refused:  # before it has sent anything
            self.assertEqual(client.response()[0], 503)
        self.assertLessEqual(self.descriptors(host), before + len(silent) + ANSWERED)
        silent[0].send(silent[0].request(host.path))
        self.assertEqual(silent[0].response()[0], 101)

    def test_who_stays_behind_an_answer_makes_room_for_the_next_one(self):
        host = self.start(connections_per_address=1)
        before = self.descriptors(host)
        for _ in range(3 * ANSWERED):
            client = self.enterContext(RawSocket(host.port))
            self.assertEqual(client.respond(client.request("/elsewhere"))[0], 404)
        self.assertLessEqual(self.descriptors(host), before + ANSWERED)
        self.connect(host)

    def test_a_visitor_of_the_page_does_not_take_the_place_of_its_socket(self):
        host = self.enterContext(Host({"broadcasters": mirror(), "server": {"demo_page": True},
                                       "limits": {"connections_per_address": 1}}))
        visitor = self.enterContext(RawSocket(host.port))
        status, _ = visitor.respond(visitor.request("/", drop=("Upgrade", "Connection")))
        self.assertEqual(status, 200)
        self.connect(host)  # while that one is still open

    def test_who_only_holds_the_door_goes_when_somebody_waits(self):
        host = self.start(handshakes=1, handshake="10m")
        silent = self.enterContext(RawSocket(host.port))
        self.counted(host, "handshakes")
        self.connect(host)
        self.assertEqual(silent.rest(), b"")

    def test_handshakes(self):
        host = self.start(handshakes=1, handshake="30s")
        slow = self.enterContext(RawSocket(host.port))
        slow.send(b"GET")
        self.counted(host, "handshakes")
        waiting = self.enterContext(RawSocket(host.port))
        waiting.send(waiting.request(host.path))
        slow.socket.close()
        self.assertEqual(waiting.response()[0], 101)
        self.connect(host)

    def test_accepts_per_second_makes_the_others_wait_and_loses_none(self):
        host = self.start(accepts_per_second=2)
        begun = time.monotonic()
        clients = [self.enterContext(RawSocket(host.port)) for _ in range(5)]  # in the kernel's backlog
        for client in clients:
            client.send(client.request(host.path))
        self.assertEqual([client.response()[0] for client in clients], [101] * 5)
        self.assertGreater(time.monotonic() - begun, 0.9, "three at once, and two that wait half a second each")
        self.counted(host, "accepts_per_second")

    def test_admin_connections(self):
        host = self.enterContext(Host({"broadcasters": mirror(), "admin": {"connections": 8}}))
        kept = [http.client.HTTPConnection("127.0.0.1", host.admin_port, timeout=DEADLINE) for _ in range(20)]
        for connection in kept:  # all stay open: the newest is always served
            self.addCleanup(connection.close)
            connection.request("GET", "/livez")
            self.assertEqual(connection.getresponse().read(), b'{"status":"alive"}')
        self.counted(host, "admin.connections", 12)


class DescriptorsTest(unittest.TestCase):
    CLIENTS, LIMIT = 1100, 1024

    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2 * cls.CLIENTS:
            raise unittest.SkipTest(f"{hard} descriptors are too few for the clients of this test")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def start(self, **sections):
        state = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-state-"))
        host = self.enterContext(Host({"broadcasters": mirror(), "state": {"path": os.path.join(state, "state.db")},
                                       **sections}, launcher=("prlimit", f"--nofile={self.LIMIT}")))
        host.wait_until_started("mirror")
        return host

    def crowd(self, host):
        """1,100 who ask to be let in and stay, whatever the answer is: how many of them were."""
        clients = [self.enterContext(RawSocket(host.port)) for _ in range(self.CLIENTS)]
        for client in clients:
            client.send(client.request(host.path + "?subscribe=signal:vcp"))
        accepted = [client for client in clients if self.is_accepted(client)]
        self.assertIn(f"{len(accepted)} for client connections", host.log())
        return accepted

    def is_accepted(self, client):
        status, headers = client.response()
        if status != 101:
            self.assertEqual((status, headers["retry-after"]), (503, "1"))
            self.assertIn(b"descriptors", client.take(int(headers["content-length"])))
        return status == 101

    def test_clients_that_use_them_up_leave_enough_for_everything_else(self):
        host = self.start()
        begun = time.monotonic()
        accepted = self.crowd(host)
        self.assertGreater(len(accepted), 400)
        self.assertLess(len(accepted), self.CLIENTS)
        self.assertEqual(host.get("/livez")[0], 200)
        refused = self.CLIENTS - len(accepted)
        for line in (f'broadcast_handshakes_refused_total{{reason="descriptors"}} {refused}',
                     f'broadcast_limit_reached_total{{limit="descriptors_reserve"}} {refused}'):
            self.assertIn("\n" + line + "\n", host.metrics())
        status, answer = host.publish("signal:vcp", {"type": "burst", "text": "committed"})
        self.assertEqual((status, answer["durable"], answer["subscribers"]), (200, True, len(accepted)))
        admins = [http.client.HTTPConnection("127.0.0.1", host.admin_port, timeout=DEADLINE) for _ in range(256)]
        for admin in admins:  # as many as there may be, while the broadcaster is replaced
            self.addCleanup(admin.close)
            admin.request("GET", "/livez")
            self.assertEqual(admin.getresponse().read(), b'{"status":"alive"}')
        status, answer = host.post("/v1/broadcasters/mirror/replace")
        self.assertEqual((status, answer["outcome"]), (200, "done"))
        self.assertEqual(host.publish("signal:vcp", {"type": "burst", "text": "again"})[0], 200)
        lines = re.findall(r"warn.* handshake refused \(descriptors\): 127\.0\.0\.1:\d+: 503 ", host.log())
        self.assertLessEqual(len(lines), 1 + (time.monotonic() - begun) / 60)
        accepted[0].socket.close()
        until = time.monotonic() + DEADLINE
        while True:  # until the host has noticed
            client = self.enterContext(RawSocket(host.port))
            if client.respond(client.request(host.path))[0] == 101:
                break
            self.assertLess(time.monotonic(), until)

    def test_fewer_than_configured_are_told_at_the_start(self):
        host = self.start(limits={"connections": 5000})
        told = r"limits\.connections: 5000 is more than the \d+ that 1024 descriptors allow; raise"
        host.wait_for_line(told)
        since = host.line_count()
        self.assertEqual(host.post("/v1/reload")[0], 200)
        host.wait_for_line(told, since)
        host.stop()
        self.assertEqual(len(re.findall(told, host.log())), 2)  # at the start, and once again

    @unittest.skipIf(IS_SANITIZED, WHY_NOT_SANITIZED)
    def test_without_any_an_idle_admin_connection_makes_room_for_a_probe(self):
        host = self.start()
        idle = self.enterContext(RawSocket(host.admin_port))
        request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.assertEqual(idle.respond(request)[0], 200)
        _, hard = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)
        used = {int(name) for name in os.listdir(f"/proc/{host.pid}/fd")}
        limit = max(used) + 4
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (limit, hard))
        for _ in range(limit - len(used)):
            self.enterContext(RawSocket(host.port)).upgrade(host.path)
        self.assertEqual(self.enterContext(RawSocket(host.admin_port)).respond(request)[0], 200)
        self.assertEqual(len(idle.rest()), len(b'{"status":"alive"}'))
        host.wait_for_line(r"error admin\.listen: cannot accept: Too many open files")

    @unittest.skipIf(IS_SANITIZED, WHY_NOT_SANITIZED)
    def test_without_any_it_waits_and_says_so_once(self):
        host = self.start()
        _, hard = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (3, hard))  # others have the rest
        begun = time.monotonic()
        since = host.line_count()
        clients = [self.enterContext(RawSocket(host.port)) for _ in range(8)]
        for client in clients:
            client.send(client.request(host.path))
        host.wait_for_line(r"error server\.listen: cannot accept: Too many open files", since)
        probe = self.enterContext(RawSocket(host.admin_port))
        probe.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        host.wait_for_line(r"error admin\.listen: cannot accept: Too many open files", since)
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (hard, hard))
        self.assertEqual([client.response()[0] for client in clients], [101] * 8)
        self.assertEqual(probe.response()[0], 200)
        said = len(re.findall("server.listen: cannot accept", host.log()))
        self.assertLessEqual(said, 1 + (time.monotonic() - begun) / 60)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""Heartbeat and goodbye, as clients see them."""

import asyncio
import contextlib
import json
import os
import signal
import struct
import unittest

from host import Host, mirror, test_plugin
from raw_websocket import CLOSE, PING, TEXT, RawSocket, frame
from subscriber import Subscriber


def heartbeat(timeout):
    return {"heartbeat": {"permissions": ["clients"], "config": {"interval": "100ms", "timeout": timeout}}}


class HeartbeatTest(unittest.IsolatedAsyncioTestCase):
    async def test_pings_every_client_again_and_again(self):
        with Host({"broadcasters": heartbeat("24h")}) as host:
            readers = [await Subscriber.connect(host), await Subscriber.connect(host)]
            for reader in readers:
                for _ in range(3):
                    self.assertEqual(set(await reader.next()), {"type", "timestamp"})
                await reader.leave()

    def test_closes_the_silent_with_4408(self):
        with Host({"broadcasters": heartbeat("200ms")}) as host, RawSocket(host.port) as client:
            client.upgrade(host.path)
            first, payload = client.receive()
            while first in (0x80 | TEXT, 0x80 | PING):
                if first == 0x80 | TEXT:
                    self.assertIn(json.loads(payload)["type"], ("connected", "ping"))
                first, payload = client.receive()
            self.assertEqual(first, 0x80 | CLOSE)
            self.assertEqual(struct.unpack("!H", payload[:2])[0], 4408)
            self.assertEqual(client.rest(), b"")

    async def test_who_answers_outlives_the_silent(self):
        with Host({"broadcasters": heartbeat("3s")}) as host:
            silent = self.enterContext(RawSocket(host.port))  # a library would answer the protocol's own pings
            silent.upgrade(host.path)
            talker = await Subscriber.connect(host)
            fate = asyncio.create_task(asyncio.to_thread(silent.rest))
            while not fate.done():
                await talker.next_of("ping")
                await talker.send(type="pong")
            self.assertTrue(fate.result().endswith(struct.pack("!H", 4408) + b"heartbeat timeout"))
            self.assertEqual(await talker.ask("pong", type="ping", id="still here"),
                             {"type": "pong", "id": "still here"})
            await talker.leave()


class ShutdownTest(unittest.IsolatedAsyncioTestCase):
    def test_whoever_was_told_101_is_told_goodbye(self):
        goodbye = bytes([0x80 | CLOSE, 2 + len("server shutdown")]) + struct.pack("!H", 1001) + b"server shutdown"
        for _ in range(3):
            with Host({"broadcasters": mirror()}) as host:
                clients = [self.enterContext(RawSocket(host.port)) for _ in range(50)]
                for client in clients[:30]:
                    client.send(client.request(host.path))
                host.terminate()
                for client in clients[30:]:
                    with contextlib.suppress(ConnectionError):  # it may have gone already
                        client.send(client.request(host.path))
                ends = [client.rest() for client in clients]
                host.expect_end()
            for end in ends:
                self.assertTrue(goodbye in end or not end.startswith(b"HTTP/1.1 101"), end)

    async def test_says_when_to_come_back_then_1001_then_ends_well(self):
        with Host({"broadcasters": mirror()}) as host:
            host.wait_until_started("mirror")
            readers = [await Subscriber.connect(host, "signal:vcp") for _ in range(4)]
            for reader in readers:
                await reader.next_of("subscribed")
            self.assertEqual(host.publish("signal:vcp", '{"type":"signal_update"}')[0], 200)
            host.terminate()
            for reader in readers:
                before, code = await reader.close_code()
                self.assertEqual(code, 1001)
                self.assertEqual([message["type"] for message in before], ["signal_update", "server_shutdown"])
                self.assertGreater(before[1]["retry_after_ms"], 0)
            host.expect_end()

    async def test_a_producer_whose_message_is_under_way_gets_its_answer(self):
        stuck, release = os.pipe()
        with Host({"broadcasters": test_plugin("probe", "probe.so")}, pass_fds=[stuck]) as host:
            host.wait_until_started("probe")
            reader = await Subscriber.connect(host, "probe:log")
            answer = asyncio.create_task(asyncio.to_thread(
                host.publish, "probe:log", {"do": "stuck", "fd": stuck}))
            await reader.next_of("probe", event="stuck")
            host.terminate()
            host.wait_for_line("SIGTERM: stopping")
            os.write(release, b"x")
            self.assertEqual((await answer)[0], 200)
            await reader.close_code()
            host.expect_end()

    async def test_before_it_stops_it_is_not_ready_and_serves(self):
        with Host({"server": {"drain_delay": "1h"}, "broadcasters": mirror()}) as host:
            host.wait_until_started("mirror")
            reader = await Subscriber.connect(host, "signal:vcp")
            await reader.next_of("subscribed")
            self.assertEqual(host.get("/readyz")[0], 200)
            host.terminate()
            host.wait_for_line("SIGTERM: not ready any more; stopping in 1h")
            status, _, body = host.get("/readyz")
            self.assertEqual(status, 503)
            self.assertIn("the host is stopping", json.loads(body)["reasons"])
            self.assertEqual(host.get("/livez")[0], 200)
            self.assertEqual(host.publish("signal:vcp", '{"type":"signal_update"}')[0], 200)
            await reader.next_of("signal_update")
            newcomer = await Subscriber.connect(host)  # one that the balancer had sent before it knew
            host.terminate()
            for client in (reader, newcomer):
                self.assertEqual((await client.close_code())[1], 1001)
            host.expect_end()

    def test_it_stops_once_the_delay_is_over(self):
        with Host({"server": {"drain_delay": "100ms"}, "broadcasters": {}}) as host:
            host.terminate()
            host.expect_end()

    async def test_another_signal_while_it_stops_ends_it_at_once(self):
        with Host({"server": {"drain": "1h"}, "broadcasters": {}}) as host, RawSocket(host.port) as silent:
            silent.upgrade(host.path)
            silent.receive()
            host.terminate()
            self.assertEqual(json.loads(silent.receive()[1])["type"], "server_shutdown")
            host.terminate()
            self.assertEqual(host.wait(), -signal.SIGTERM)

    async def test_a_client_that_says_nothing_does_not_hold_it_up(self):
        with Host({"server": {"drain": "1s"}, "broadcasters": {}}) as host, RawSocket(host.port) as silent:
            silent.upgrade(host.path)
            silent.receive()
            host.stop()
            self.assertEqual(json.loads(silent.receive()[1])["type"], "server_shutdown")
            self.assertEqual(silent.receive(), (0x80 | CLOSE, struct.pack("!H", 1001) + b"server shutdown"))

    async def test_a_handshake_under_way_does_not_hold_it_up(self):
        with Host({"limits": {"handshake": "1h"}, "broadcasters": {}}) as host, RawSocket(host.port) as half:
            half.send(b"GET /ws HTTP/1.1\r\n")
            with RawSocket(host.port) as other:  # so the host has seen the first
                other.upgrade(host.path)
                other.send(frame(CLOSE))
                other.rest()
            host.stop()


class StandardFilesTest(unittest.TestCase):
    """Descriptors 0 to 2 belong to everybody in the process."""

    def test_one_that_is_closed_is_nothing_and_no_socket_gets_its_number(self):
        with Host({"broadcasters": {}}, launcher=("sh", "-c", 'exec "$@" <&- >&-', "sh")) as host:
            for number in (0, 1):
                self.assertEqual(os.readlink(f"/proc/{host.pid}/fd/{number}"), "/dev/null")

    def test_a_plugin_that_redirects_standard_error_takes_no_log_with_it(self):
        with Host({"broadcasters": test_plugin("silent", "careless_setting.so", config={"depth": 8})}) as host:
            host.wait_until_started("silent")  # a line that is written afterwards
            self.assertEqual(os.readlink(f"/proc/{host.pid}/fd/2"), "/dev/null")
            self.assertEqual(host.post("/v1/broadcasters/silent/replace")[0], 200)
            host.stop()
            host.wait_for_line("stopped: ")


if __name__ == "__main__":
    unittest.main()

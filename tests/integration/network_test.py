#!/usr/bin/python3
"""Networks that lose packets, and peers that vanish without a word: in a network namespace of the test's own, whose loopback
drops what nftables is told to."""

import json
import os
import struct
import subprocess
import sys
import time
import unittest

from host import Host, mirror
from process import DEADLINE, run
from raw_websocket import CLOSE, PING, PONG, TEXT, RawSocket, frame

OWN_NAMESPACE = "BROADCAST_OWN_NETWORK"
CLIENTS = 20
MESSAGES = 200
SIGNAL = "signal:vcp"


def tool(*command):
    done = run(*command)
    assert done.returncode == 0, f"{command}: {done.stdout}"


class Client(RawSocket):
    """It answers pings, as browsers and libraries do by themselves."""

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def next_of(self, *kinds):
        while True:
            first, payload = self.receive()
            if first == 0x80 | PING:
                self.send(frame(PONG, payload))
                continue
            assert first == 0x80 | TEXT, payload
            message = json.loads(payload)
            if message["type"] in kinds:
                return message

    def ask(self, answer, **command):
        self.send(frame(TEXT, json.dumps(command).encode()))
        return self.next_of(answer)


class NetworkTest(unittest.TestCase):
    def setUp(self):
        tool("nft", "flush ruleset; table ip test { chain received { type filter hook input priority 0; }; }")

    def lose_some(self, port):
        """Of the packets from and to `port`, each fifth: one in five by chance would now and then be the same one six times, for which
        TCP waits longer than the test."""
        for side in ("sport", "dport"):
            tool("nft", f"add rule ip test received tcp {side} {port} numgen inc mod 5 == 0 drop")

    def lose_all_between(self, one, other):
        for source, target in ((one, other), (other, one)):
            tool("nft", f"add rule ip test received tcp sport {source} tcp dport {target} drop")

    def start(self, interval="10s", timeout="1m", drain="30s", **limits):
        beats = {"heartbeat": {"permissions": ["clients"], "config": {"interval": interval, "timeout": timeout}}}
        host = self.enterContext(Host({"broadcasters": {**mirror(), **beats}, "server": {"drain": drain},
                                       "limits": limits}))
        for name in ("mirror", "heartbeat"):
            host.wait_until_started(name)
        return host

    def connect(self, host):
        client = self.enterContext(Client(host.port))
        client.upgrade(host.path)
        client.next_of("connected")
        return client

    def clients(self, host):
        return json.loads(host.get("/v1/clients")[2])["clients"]

    def test_where_a_fifth_of_all_packets_is_lost_no_message_is(self):
        host = self.start(timeout="10m", write_stall="10m")
        clients = [self.connect(host) for _ in range(CLIENTS)]
        self.lose_some(host.port)
        for client in clients:
            client.ask("subscribed", type="subscribe", topic=SIGNAL)
        for number in range(MESSAGES):
            self.assertEqual(host.publish(SIGNAL, {"type": "note", "number": number, "text": "x" * 500})[0], 200)
        for client in clients:
            came = [client.next_of("note") for _ in range(MESSAGES)]
            self.assertEqual([message["number"] for message in came], list(range(MESSAGES)))
            self.assertEqual([message["seq"] for message in came], list(range(1, MESSAGES + 1)))
        late = self.connect(host)
        self.assertEqual(late.ask("subscribed", type="subscribe", topic=SIGNAL)["seq"], MESSAGES)

    def test_a_peer_that_vanished_is_closed_and_holds_nobody_up(self):
        host = self.start(interval="200ms", timeout="2s", write_stall="2s")
        gone, stays = (self.connect(host) for _ in range(2))
        for client in (gone, stays):
            answer = client.ask("subscribed", type="subscribe", topic=SIGNAL)
        self.lose_all_between(gone.port, host.port)
        for number in range(MESSAGES):
            host.publish(SIGNAL, {"type": "note", "number": number})
            self.assertEqual(stays.next_of("note")["number"], number)
        until = time.monotonic() + DEADLINE
        while len(self.clients(host)) > 1:
            self.assertLess(time.monotonic(), until)
            stays.next_of("ping")
        # The one that vanished is back by another way, and misses nothing.
        back = self.connect(host)
        since = {"epoch": answer["epoch"], "seq": answer["seq"]}
        self.assertTrue(back.ask("subscribed", type="subscribe", topic=SIGNAL, since=since)["recovered"])
        self.assertEqual([back.next_of("note")["number"] for _ in range(MESSAGES)], list(range(MESSAGES)))

    def test_a_peer_that_vanishes_while_it_is_written_to_is_closed(self):
        host = self.start(write_stall="2s")
        gone, stays = (self.connect(host) for _ in range(2))
        for client in (gone, stays):
            client.ask("subscribed", type="subscribe", topic="price:005930")
        self.lose_all_between(gone.port, host.port)
        until = time.monotonic() + DEADLINE
        number = 0
        while len(self.clients(host)) > 1:  # prices: only the newest counts
            self.assertLess(time.monotonic(), until)
            host.publish("price:005930", {"type": "note", "number": number, "text": "x" * 20_000})
            self.assertEqual(stays.next_of("note")["number"], number)
            number += 1

    def test_a_stop_waits_for_a_peer_that_vanished_no_longer_than_for_a_slow_one(self):
        host = self.start(drain="2s")
        gone, stays = (self.connect(host) for _ in range(2))
        self.lose_all_between(gone.port, host.port)
        host.terminate()
        stays.next_of("server_shutdown")
        first, payload = stays.receive()
        self.assertEqual((first, payload[:2]), (0x80 | CLOSE, struct.pack("!H", 1001)))
        stays.send(frame(CLOSE, payload[:2]))
        host.expect_end()


def skip(why):
    print("network_test is skipped:", why)
    sys.exit(77)


def enter_own_namespace():
    """Executes this script anew there; returns where that is not permitted."""
    unshare = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*unshare, "true"], check=False).returncode == 0:
        os.environ[OWN_NAMESPACE] = "1"
        os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


if __name__ == "__main__":
    if OWN_NAMESPACE not in os.environ:
        enter_own_namespace()
        skip("this user may not make a network namespace")
    if run("nft", "list", "ruleset").returncode != 0:
        skip("this kernel has no nftables")
    tool("ip", "link", "set", "lo", "up")
    unittest.main()

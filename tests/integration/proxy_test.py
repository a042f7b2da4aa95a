#!/usr/bin/python3
"""Behind a proxy: whose a connection is, by Forwarded, X-Forwarded-For and the PROXY protocol, and who may say so."""

import json
import os
import re
import signal
import socket
import struct
import tempfile
import time
import unittest

from certificates import Certificates
from host import Host, mirror
from process import DEADLINE
from raw_websocket import Gone, RawSocket, upgrade_request

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def version_2(source, port=4711, command=0x21):
    """A PROXY header of version 2 as HAProxy sends it over IPv4."""
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", port, 443)
    return SIGNATURE + bytes([command, 0x11]) + struct.pack("!H", len(addresses)) + addresses


class ProxyTest(unittest.TestCase):
    def start(self, limits=None, **server):
        server = {"threads": 1, "trusted_proxies": ["127.0.0.1"]} | server
        host = self.enterContext(Host({"broadcasters": mirror(), "server": server, "limits": limits or {}}))
        host.wait_until_started("mirror")
        return host

    def connect(self, host, before=b"", **headers):
        """The status of its handshake, and the socket, which stays open as long as the test."""
        client = self.enterContext(RawSocket(host.port))
        client.send(before)
        return client.respond(upgrade_request(f"127.0.0.1:{host.port}", **headers))[0], client

    def addresses(self, host, many=1):
        """Of all clients, as operators see them; a client may know a moment before it is listed."""
        until = time.monotonic() + DEADLINE
        while True:
            clients = json.loads(host.get("/v1/clients")[2])["clients"]
            shown = sorted(client["address"] for client in clients)
            if len(shown) >= many:
                return shown
            self.assertLess(time.monotonic(), until, shown)

    def refused(self, host, reason):
        pattern = rf'^broadcast_handshakes_refused_total\{{reason="{reason}"\}} (\d+)$'
        return int(re.search(pattern, host.metrics(), re.MULTILINE).group(1))

    def test_a_trusted_proxy_says_whose_a_connection_is(self):
        host = self.start()
        self.assertEqual(self.connect(host, X_Forwarded_For="6.6.6.6, 192.0.2.1")[0], 101)
        self.assertEqual(self.connect(host, Forwarded='for="[2001:db8::1]:99"')[0], 101)
        self.assertEqual(self.addresses(host, 2), ["192.0.2.1:0", "[2001:db8::1]:0"])

    def test_nobody_else_is_believed(self):
        host = self.start(trusted_proxies=["10.0.0.1"])
        self.assertEqual(self.connect(host, X_Forwarded_For="192.0.2.1")[0], 101)
        self.assertRegex(self.addresses(host)[0], r"^127\.0\.0\.1:")
        host.wait_for_line(r"127\.0\.0\.1:\d+ sends Forwarded or X-Forwarded-For, .*add it to server\.trusted_proxies")

    def test_a_proxy_header_that_nobody_expects_is_named(self):
        certificates = Certificates(self.enterContext(tempfile.TemporaryDirectory()))
        for header in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"):
            for tls in ({}, {"tls": {"certificate": certificates.certificate, "key": certificates.key}}):
                host = self.start(**tls)
                with RawSocket(host.port) as client:
                    client.send(header)
                    self.assertIn(b"server.proxy_protocol is off", client.rest(), (header, tls))

    def test_a_second_proxy_header_is_not_said_to_be_unexpected(self):
        host = self.start(proxy_protocol=True)
        with RawSocket(host.port) as client:
            client.send(2 * b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
            answer = client.rest()
        self.assertIn(b"400 Bad Request", answer)
        self.assertNotIn(b"server.proxy_protocol is off", answer)

    def test_headers_that_contradict_each_other_are_told_and_not_believed(self):
        host = self.start()
        self.connect(host, X_Forwarded_For="192.0.2.1", Forwarded="for=192.0.2.2")
        host.wait_for_line("server.trusted_proxies: contradictory headers: 127.0.0.1.*have it delete the header")
        self.assertRegex(self.addresses(host)[0], r"^127\.0\.0\.1:\d+$")

    def test_limits_count_the_client_and_not_the_proxy(self):
        host = self.start(limits={"connections_per_address": 1})
        for client in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
            self.assertEqual(self.connect(host, X_Forwarded_For=client)[0], 101, client)
        self.assertEqual(self.connect(host, X_Forwarded_For="192.0.2.1")[0], 503)
        self.assertEqual(self.connect(host, X_Forwarded_For="2001:db8::2")[0], 503, "the same /64")
        self.assertEqual(self.connect(host, X_Forwarded_For="2001:db8:0:1::2")[0], 101)

    def test_a_place_is_given_back(self):
        host = self.start(limits={"connections_per_address": 1})
        _, client = self.connect(host, X_Forwarded_For="192.0.2.1")
        client.socket.close()
        until = time.monotonic() + DEADLINE
        while self.connect(host, X_Forwarded_For="192.0.2.1")[0] != 101:
            self.assertLess(time.monotonic(), until)

    def test_the_host_that_the_page_has_asked_for_is_the_proxys(self):
        host = self.start(hosts=["dashboard.example"])
        page = {"Origin": "https://dashboard.example", "X_Forwarded_For": "192.0.2.1"}
        self.assertEqual(self.connect(host, **page)[0], 403, "the Host header is the proxy's own name for us")
        self.assertEqual(self.connect(host, **page, X_Forwarded_Host="dashboard.example")[0], 101)

    def test_a_proxy_header_says_whose_the_connection_is(self):
        host = self.start(proxy_protocol=True)
        for before in (b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 443\r\n", version_2("192.0.2.2")):
            self.assertEqual(self.connect(host, before)[0], 101, before)
        self.assertEqual(self.addresses(host, 2), ["192.0.2.1:4711", "192.0.2.2:4711"])

    def test_a_proxy_header_comes_byte_by_byte(self):
        host = self.start(proxy_protocol=True)
        client = self.enterContext(RawSocket(host.port))
        for byte in version_2("192.0.2.1"):
            client.send(bytes([byte]))
        self.assertEqual(client.respond(upgrade_request("127.0.0.1"))[0], 101)
        self.assertEqual(self.addresses(host), ["192.0.2.1:4711"])

    def test_a_proxy_behind_a_proxy(self):
        host = self.start(proxy_protocol=True, trusted_proxies=["127.0.0.1", "10.0.0.0/8"])
        self.connect(host, version_2("10.0.0.7"), X_Forwarded_For="192.0.2.1")
        self.assertEqual(self.addresses(host), ["192.0.2.1:0"])

    def test_a_health_check_is_the_proxys_own(self):
        host = self.start(proxy_protocol=True)
        self.connect(host, SIGNATURE + b"\x20\x00\x00\x00")
        self.assertRegex(self.addresses(host)[0], r"^127\.0\.0\.1:\d+$")

    def test_where_a_proxy_header_names_nobody_the_client_names_nobody_either(self):
        host = self.start(proxy_protocol=True)
        for before in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"):
            self.assertEqual(self.connect(host, before, X_Forwarded_For="6.6.6.6")[0], 101)
        self.assertNotIn("6.6.6.6", " ".join(self.addresses(host, 2)))

    def test_a_page_that_makes_its_own_name_point_here_comes_in_by_no_trust_in_a_proxy_here(self):
        host = self.start()
        page = f"evil.example:{host.port}"
        client = self.enterContext(RawSocket(host.port))
        self.assertEqual(client.respond(upgrade_request(page, Origin=f"http://{page}"))[0], 403)

    def test_without_a_proxy_header_nobody_comes_in(self):
        host = self.start(proxy_protocol=True)
        for before in (b"", b"PROXY TCP4 nonsense\r\n", SIGNATURE + b"\x31\x11\x00\x00"):
            status, client = self.connect(host, before)
            self.assertEqual(status, 400, before)
            self.assertRegex(client.rest(), b"server.proxy_protocol is on, but ")
        self.assertEqual(self.refused(host, "proxy"), 3)

    def test_a_stranger_may_send_no_proxy_header(self):
        host = self.start(proxy_protocol=True, trusted_proxies=["10.0.0.1"])
        status, client = self.connect(host, version_2("192.0.2.1"))
        self.assertEqual(status, 403)
        self.assertRegex(client.rest(), b"server.trusted_proxies")

    def test_a_header_that_never_ends_is_ended(self):
        host = self.start(proxy_protocol=True, limits={"handshake": "100ms"})
        client = self.enterContext(RawSocket(host.port))
        client.send(SIGNATURE)
        with self.assertRaises(Gone):
            client.take(1)
        host.wait_for_line(r"handshake refused \(timeout\)")

    def test_too_many_headers_are_refused(self):
        host = self.start()
        many = {f"X_{i}": "y" for i in range(100)}
        self.assertEqual(self.connect(host, **many)[0], 431)
        self.assertEqual(self.refused(host, "too_large"), 1)

    def test_whom_it_trusts_changes_at_a_reload(self):
        config = {"broadcasters": mirror(), "server": {"threads": 1}}
        host = self.enterContext(Host(config))
        host.wait_until_started("mirror")
        host.rewrite({**config, "server": {"threads": 1, "trusted_proxies": ["127.0.0.1"]}})
        os.kill(host.pid, signal.SIGHUP)
        host.wait_for_line("changed: server.trusted_proxies")
        self.connect(host, X_Forwarded_For="192.0.2.1")
        self.assertEqual(self.addresses(host), ["192.0.2.1:0"])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""TLS on both listeners: with the clients that people have, for every certificate, version and way in which it can fail."""

import asyncio
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from certificates import Certificates
from host import Host, mirror, run_host
from process import DEADLINE, Process, run
from raw_websocket import CLOSE, TEXT, RawSocket, close_payload, frame, upgrade_request
from subscriber import Subscriber

HERE = os.path.dirname(os.path.abspath(__file__))


class TlsTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-tls-"))
        self.certificates = Certificates(self.directory)
        self.files = {"certificate": self.certificates.certificate, "key": self.certificates.key}

    def start(self, tls=None, admin=None, **more):
        self.config = {"broadcasters": mirror(), "server": {"threads": 1, "tls": tls or self.files}, "admin": admin or {}, **more}
        host = self.enterContext(Host(self.config))
        host.wait_until_started("mirror")
        return host

    def connect(self, host, context=None, name="localhost"):
        """A TLS connection to the clients' listener, verified."""
        plain = socket.create_connection(("127.0.0.1", host.port), DEADLINE)
        try:
            return self.enterContext((context or self.certificates.client_context()).wrap_socket(
                plain, server_hostname=name, suppress_ragged_eofs=False))
        except BaseException:
            plain.close()
            raise

    def upgraded(self, host, context=None):
        """A WebSocket over it that has read `connected`."""
        client = RawSocket.over(self.connect(host, context))
        self.assertEqual(client.respond(upgrade_request("localhost"))[0], 101)
        client.receive()
        return client

    async def subscriber(self, host, *topics, context=None):
        return await Subscriber.connect(host, *topics, ssl=context or self.certificates.client_context())

    async def see_a_publication(self, subscriber, host, number):
        self.assertEqual(host.publish("signal:vcp", {"type": "signal", "n": number})[0], 200)
        await subscriber.next_of("signal", n=number)

    async def test_websockets_of_python_over_both_versions(self):
        host = self.start()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.certificates.client_context()
            context.minimum_version = context.maximum_version = version
            client = await self.subscriber(host, "signal:vcp", context=context)
            await client.next_of("subscribed")
            await self.see_a_publication(client, host, version)
            await client.leave()

    async def test_min_version(self):
        host = self.start(tls=self.files | {"min_version": "1.3"})
        context = self.certificates.client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises(ssl.SSLError):
            self.connect(host, context)
        self.assertEqual(self.connect(host).version(), "TLSv1.3")
        host.wait_for_line(r"handshake refused \(tls\): 127\.0\.0\.1:\d+: no TLS handshake: unsupported protocol")

    async def test_nothing_older_than_1_2(self):
        host = self.start()
        context = self.certificates.client_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError):
            self.connect(host, context)

    async def test_only_http_1_1_is_negotiated(self):
        host = self.start()
        context = self.certificates.client_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.assertEqual(self.connect(host, context).selected_alpn_protocol(), "http/1.1")
        context.set_alpn_protocols(["h2"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.connect(host, context)

    async def test_a_certificate_for_each_name(self):
        both = [dict(zip(("certificate", "key"), self.certificates.issue(name.split(".")[0], name)))
                for name in ("one.example.com", "two.example.com")]
        wild = dict(zip(("certificate", "key"), self.certificates.issue("wild", "*.stocks.example")))
        host = self.start(tls=[{"names": ["one.example.com"], **both[0]}, both[1],
                               {"names": ["*.stocks.example"], **wild}])
        context = self.certificates.client_context()
        for name, shown in (("one.example.com", "one.example.com"), ("two.example.com", "two.example.com"),
                            ("krx.stocks.example", "*.stocks.example")):
            names = [value for _, value in self.connect(host, context, name).getpeercert()["subjectAltName"]]
            self.assertEqual(names, [shown])
        context.check_hostname = False  # another name: the first one
        names = [value for _, value in self.connect(host, context, "other.example").getpeercert()["subjectAltName"]]
        self.assertEqual(names, ["one.example.com"])

    async def test_a_client_without_tls_is_told(self):
        host = self.start()
        with RawSocket(host.port) as client:
            self.assertEqual(client.respond(upgrade_request("localhost"))[0], 400)
            self.assertIn(b"TLS is spoken here", client.rest())
        self.assertIn('handshakes_refused_total{reason="tls"} 1', host.metrics())

    async def test_a_client_that_speaks_neither_is_cut_off_and_counted(self):
        host = self.start()
        with RawSocket(host.port) as client:
            client.send(b"\x00\x01\x02 no protocol at all")
            client.rest()
        self.assertIn('handshakes_refused_total{reason="tls"} 1', host.metrics())

    async def test_early_data_is_off(self):
        host = self.start()
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{host.port}", "-servername", "localhost", "-ign_eof",
                   "-CAfile", self.certificates.ca, "-verify_return_error"]
        kept = os.path.join(self.directory, "session")

        def ask(*more):
            """A request that ends the connection, after whatever else the host has to say."""
            return subprocess.run([*command, *more], input=b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=DEADLINE, check=False).stdout.decode(errors="replace")

        first = ask("-sess_out", kept)
        self.assertIn("Max Early Data: 0", first)
        self.assertIn("Verify return code: 0 (ok)", first)
        early = os.path.join(self.directory, "early")
        with open(early, "w", encoding="ascii") as file:
            file.write("GET /early HTTP/1.1\r\n")
        again = ask("-sess_in", kept, "-early_data", early)
        self.assertIn("Reused, TLSv1.3", again)
        self.assertNotIn("Early data was accepted", again)

    async def test_clients_have_to_show_a_certificate(self):
        host = self.start(tls=self.files | {"client_ca": self.certificates.ca})
        with self.assertRaises(ssl.SSLError):
            client = self.connect(host)
            client.sendall(b"GET")  # with 1.3 its part of the handshake ends before it is judged
            client.recv(1)
        context = self.certificates.client_context(self.certificates.issue("someone", "someone"))
        self.assertEqual(RawSocket.over(self.connect(host, context)).respond(upgrade_request("localhost"))[0], 101)
        with tempfile.TemporaryDirectory() as directory:
            stranger = self.certificates.client_context(Certificates(directory).issue("stranger", "stranger"))
            with self.assertRaises(ssl.SSLError):
                client = self.connect(host, stranger)
                client.sendall(b"GET")
                client.recv(1)

    async def test_names_with_certificates_of_their_own_and_clients_who_show_one(self):
        own = [{"names": [name], "certificate": certificate, "key": key}
               for name in ("localhost", "b.example") for certificate, key in [self.certificates.issue(name, name)]]
        host = self.start(tls={"certificates": own, "client_ca": self.certificates.ca, "min_version": "1.3"})
        someone = self.certificates.client_context(self.certificates.issue("someone", "someone"))
        for name in ("localhost", "b.example"):
            client = self.connect(host, someone, name)
            self.assertEqual(client.version(), "TLSv1.3")
            self.assertEqual(client.getpeercert()["subjectAltName"], (("DNS", name),))
        with self.assertRaises(ssl.SSLError):
            client = self.connect(host, name="b.example")
            client.sendall(b"GET")
            client.recv(1)

    async def test_tls_is_not_switched_off_in_silence(self):
        ended = run_host({"server": {"tls": []}}, "--check")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("server.tls: an empty list names no certificate", ended.stdout)
        host = self.start()
        del self.config["server"]["tls"]
        host.rewrite(self.config)
        os.kill(host.pid, signal.SIGHUP)
        host.wait_for_line("server.tls is off from now on: new connections are not encrypted")

    def serial(self, host, before=None):
        """Of the certificate that is shown; another than `before`, as soon as every shard has it."""
        until = time.monotonic() + DEADLINE
        while (found := self.connect(host).getpeercert()["serialNumber"]) == before:
            self.assertLess(time.monotonic(), until)
        return found

    async def test_certificates_are_read_again_and_nobody_is_dropped(self):
        host = self.start()
        client = await self.subscriber(host, "signal:vcp")
        serials = [self.serial(host)]
        self.certificates.issue("crt", "localhost")
        since = host.line_count()
        os.kill(host.pid, signal.SIGHUP)
        host.wait_for_line("server.tls: the certificates were read again", since)
        host.wait_for_line("nothing to change", since)
        serials.append(self.serial(host, serials[-1]))
        since = host.line_count()
        self.certificates.issue("crt", "localhost")  # as certbot does, and nobody says so
        host.wait_for_line("server.tls: the certificates were read again", since)
        serials.append(self.serial(host, serials[-1]))
        self.assertEqual(len(set(serials)), 3)
        await self.see_a_publication(client, host, 1)

    async def test_a_broken_certificate_changes_nothing(self):
        host = self.start()
        before = self.serial(host)
        with open(self.certificates.certificate, "w", encoding="utf-8") as file:
            file.write("half of a certif")
        host.wait_for_line(r"server\.tls: .*crt\.pem: holds no certificate in PEM.*stay in use")
        self.assertEqual(self.serial(host), before)
        since = host.line_count()
        os.kill(host.pid, signal.SIGHUP)
        host.wait_for_line(r"not changed: .*server\.tls: .*crt\.pem: holds no certificate", since)
        self.assertEqual(self.serial(host), before)

    async def test_a_start_that_cannot_have_tls_says_why(self):
        other = self.certificates.issue("other", "localhost")
        for files, text in (({"certificate": "/nowhere.pem"}, "/nowhere.pem: cannot be read: No such file"),
                            ({"key": other[1]}, f"other-key.pem: is not the key of {self.files['certificate']}"),
                            ({"key": self.files["certificate"]}, "holds no private key in PEM"),
                            ({"client_ca": "/nowhere.pem"}, "/nowhere.pem: cannot be read")):
            for section in ("server", "admin"):
                for arguments in ((), ("--check",)):
                    ended = run_host({section: {"tls": self.files | files}}, *arguments)
                    self.assertEqual(ended.returncode, 1)
                    self.assertIn(f"{section}.tls: ", ended.stdout)
                    self.assertIn(text, ended.stdout)

    async def test_an_end_is_said_before_the_connection_ends(self):
        client = self.upgraded(self.start())
        client.send(frame(CLOSE, close_payload(1000)))
        self.assertEqual(client.receive(), (0x80 | CLOSE, close_payload(1000)))
        self.assertEqual(client.socket.recv(1), b"", "close_notify, or this would raise SSLEOFError")

    async def test_a_refusal_is_said_over_tls(self):
        host = self.start()
        client = RawSocket.over(self.connect(host))
        self.assertEqual(client.respond(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")[0], 404)
        self.assertIn(b"The WebSocket endpoint is /ws", client.rest())

    async def test_records_of_one_byte_each_and_packets_of_one_byte_each(self):
        host = self.start()
        client = self.upgraded(host)
        ask = frame(TEXT, json.dumps({"type": "list"}).encode())
        for at in range(len(ask)):
            client.socket.sendall(ask[at:at + 1])
        self.assertEqual(json.loads(client.receive()[1])["type"], "subscriptions")
        # The same below TLS: every byte of the handshake and of the frame in a packet of its own.
        context, incoming, outgoing = self.certificates.client_context(), ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", host.port), DEADLINE) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def do(step):
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        send()
                        incoming.write(plain.recv(1 << 16))

            def send():
                for byte in outgoing.read():
                    plain.sendall(bytes([byte]))

            do(session.do_handshake)
            session.write(upgrade_request("localhost"))
            session.write(ask)
            send()
            seen = b""
            while b'"subscriptions"' not in seen:
                seen += do(lambda: session.read(1 << 16))

    async def test_a_message_of_many_records(self):
        host = self.start()
        client = await self.subscriber(host, "signal:vcp")
        text = "x" * 200_000
        self.assertEqual(host.publish("signal:vcp", {"type": "signal", "text": text})[0], 200)
        self.assertEqual((await client.next_of("signal"))["text"], text)

    async def test_the_log_says_which_end_encrypts(self):
        host = self.start()
        self.upgraded(host)
        # Set where the kernel is known to have it: tests/support/user_mode_linux.py.
        who = "the kernel encrypts" if os.environ.get("BROADCAST_KERNEL_TLS") else "the (kernel|host) encrypts"
        host.wait_for_line(r"server\.tls: TLSv1\.3, TLS_\w+; " + who)

    async def test_the_admin_listener(self):
        token = "0123456789abcdef-admin"
        host = self.start(admin={"tls": self.files, "tokens": [{"token": token, "scopes": ["admin", "publish"]}]})
        context = self.certificates.client_context()

        def ask(method, path, body=None):
            connection = http.client.HTTPSConnection("localhost", host.admin_port, timeout=DEADLINE, context=context)
            connection.request(method, path, body, {"Authorization": "Bearer " + token})
            response = connection.getresponse()
            answer = response.status, response.read()
            connection.request("GET", "/livez")  # it is kept alive
            self.assertEqual(connection.getresponse().read(), b'{"status":"alive"}')
            connection.close()
            return answer

        client = await self.subscriber(host, "signal:vcp")
        self.assertEqual(ask("POST", "/v1/publish/signal:vcp", '{"type":"signal","n":1}')[0], 200)
        await client.next_of("signal", n=1)
        big = json.dumps({"type": "signal", "text": "x" * 200_000})
        self.assertEqual(ask("POST", "/v1/publish/signal:vcp", big)[0], 200)
        self.assertEqual(ask("GET", "/v1/topics")[0], 200)
        # Without TLS it says so, and broadcastctl speaks TLS where it is told to.
        status, _, text = host.get("/livez")
        self.assertEqual((status, text), (400, "TLS is spoken here: use https://\n"))
        ctl = os.path.join(os.path.dirname(os.environ["BROADCAST_HOST"]), "broadcastctl")
        ended = run(ctl, "broadcaster", "list", "--admin", f"https://localhost:{host.admin_port}", "--ca", self.certificates.ca,
                    "--token", token)
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertIn("mirror", ended.stdout)
        ended = run(ctl, "broadcaster", "list", "--admin", f"https://localhost:{host.admin_port}", "--token", token)
        self.assertEqual(ended.returncode, 2, ended.stdout)
        self.assertIn("certificate", ended.stdout)
        for address in ("", "http://"):
            ended = run(ctl, "broadcaster", "list", "--admin", f"{address}127.0.0.1:{host.admin_port}/", "--token", token)
            self.assertEqual(ended.returncode, 2, ended.stdout)
            self.assertIn(f"speaks TLS: --admin https://127.0.0.1:{host.admin_port}", ended.stdout)
        plain = self.start()
        ended = run(ctl, "broadcaster", "list", "--admin", f"https://localhost:{plain.admin_port}")
        self.assertIn("does not speak TLS: leave https:// out", ended.stdout)

    async def test_curl(self):
        host = self.start(server={"demo_page": True, "threads": 1, "tls": self.files})
        for version in ("--tlsv1.2", "--tlsv1.3"):
            ended = run("curl", "--silent", "--show-error", "--fail", version, "--cacert", self.certificates.ca,
                        f"https://localhost:{host.port}/")
            self.assertIn("<html", ended.stdout)

    async def test_javas_own_client(self):
        host = self.start()
        client = Process("java", "-XX:TieredStopAtLevel=1", os.path.join(HERE, "TlsClient.java"), self.certificates.ca,
                         host.url("/ws?subscribe=signal:vcp"))
        try:
            client.wait_for_line('"type":"subscribed"')
            self.assertEqual(host.publish("signal:vcp", {"type": "signal", "n": 7})[0], 200)
            client.wait_for_line('"n":7')
            client.expect_end()
        finally:
            client.kill()


if __name__ == "__main__":
    unittest.main()

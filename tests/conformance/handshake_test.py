#!/usr/bin/python3
"""The HTTP part, by raw socket: who is let in, and what the others are told."""

import base64
import hashlib
import socket
import struct
import unittest

from echo import Echo
from raw_websocket import CLOSE, TEXT, Gone, RawSocket, close_payload, frame

ORIGIN = "https://app.example.com"
SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEADER_LIMIT = 8 * 1024


class HandshakeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.echo = cls.enterClassContext(Echo("--path", "/ws", "--origin", ORIGIN, "--origin",
                                              "https://*.example.org"))

    def connect(self):
        return self.enterContext(RawSocket(self.echo.port))

    def answer_to(self, target="/ws", **changes):
        client = self.connect()
        return client.respond(client.request(target, **changes))

    def assert_refused(self, status, target="/ws", **changes):
        client = self.connect()
        got, headers = client.respond(client.request(target, **changes))
        self.assertEqual(got, status)
        text = client.take(int(headers["content-length"])).decode()
        self.assertTrue(text.strip(), "a refusal says why")
        self.assertEqual(client.rest(), b"", "and ends the connection")
        return headers, text

    def test_answers_with_the_key_of_the_rfc(self):
        key = base64.b64encode(bytes(range(16))).decode()
        status, headers = self.answer_to(Sec_WebSocket_Key=key)
        self.assertEqual(status, 101)
        expected = base64.b64encode(hashlib.sha1(key.encode() + SUFFIX).digest()).decode()
        self.assertEqual(headers["sec-websocket-accept"], expected)
        self.assertEqual(headers["upgrade"].lower(), "websocket")
        self.assertEqual(headers["connection"].lower(), "upgrade")

    def test_negotiates_nothing_that_it_does_not_know(self):
        status, headers = self.answer_to(Sec_WebSocket_Extensions="x-webkit-deflate-frame, foo; bar",
                                         Sec_WebSocket_Protocol="chat, superchat")
        self.assertEqual(status, 101)
        self.assertNotIn("sec-websocket-extensions", headers)
        self.assertNotIn("sec-websocket-protocol", headers)

    def test_takes_header_values_in_any_case_and_among_others(self):
        status, _ = self.answer_to(Upgrade="WebSocket, h2c", Connection="keep-alive, UPGRADE")
        self.assertEqual(status, 101)

    def test_ignores_the_query_string(self):
        self.assertEqual(self.answer_to("/ws?subscribe=a,b&token=c")[0], 101)

    def test_another_version_is_told_which_one(self):
        for version in ("8", "14", "13, 8", "x", ""):
            headers, _ = self.assert_refused(426, Sec_WebSocket_Version=version)
            self.assertEqual(headers["sec-websocket-version"], "13")
        self.assert_refused(426, drop=["Sec-WebSocket-Version"])

    def test_plain_http_is_told_to_upgrade(self):
        headers, _ = self.assert_refused(426, drop=["Upgrade"])
        self.assertEqual(headers["upgrade"], "websocket")
        self.assert_refused(426, drop=["Connection"])
        self.assert_refused(426, Connection="close")
        self.assert_refused(426, Upgrade="h2c")

    def test_the_key_is_sixteen_bytes(self):
        self.assert_refused(400, drop=["Sec-WebSocket-Key"])
        for key in ("", "short", "A" * 24, base64.b64encode(b"x" * 15).decode(),
                    base64.b64encode(b"x" * 17).decode(), "!" * 22 + "=="):
            self.assert_refused(400, Sec_WebSocket_Key=key)

    def test_there_is_a_host(self):
        self.assert_refused(400, drop=["Host"])

    def test_there_is_one_host(self):
        self.assert_refused(400, Host="a\r\nHost: b")

    def test_an_end_that_could_be_read_another_way_is_refused(self):
        for coding in ("xchunked", "gzip", "identity", "chunked, identity", "identity\r\nTransfer-Encoding: chunked"):
            self.assert_refused(501, Transfer_Encoding=coding)
        self.assert_refused(400, Transfer_Encoding="chunked")
        self.assert_refused(400, Transfer_Encoding="chunked\r\nContent-Length: 4")
        self.assert_refused(400, Content_Length="4")

    def test_only_get(self):
        for method in ("POST", "PUT", "OPTIONS"):
            headers, _ = self.assert_refused(405, method=method)
            self.assertEqual(headers["allow"], "GET")

    def test_http_1_0_is_too_old(self):
        self.assert_refused(400, version="HTTP/1.0")

    def test_another_path_is_told_the_right_one(self):
        for target in ("/", "/ws/", "/wss", "/other?x=/ws"):
            _, text = self.assert_refused(404, target)
            self.assertIn("/ws", text)

    def test_only_the_origins_of_the_config(self):
        for origin in (ORIGIN, "https://a.example.org", "https://b.a.example.org"):
            self.assertEqual(self.answer_to(Origin=origin)[0], 101, origin)
        for origin in ("https://evil.example", "http://app.example.com", "https://app.example.com:8443",
                       "https://app.example.com.evil.example", "https://example.org", "null"):
            self.assert_refused(403, Origin=origin)

    def test_a_page_of_the_host_itself_needs_no_entry(self):
        port = self.echo.port
        for scheme in ("http", "https"):  # a proxy may have taken the TLS off
            self.assertEqual(self.answer_to(Origin=f"{scheme}://127.0.0.1:{port}")[0], 101)
        for origin in (f"http://localhost:{port}", "http://127.0.0.1", f"http://127.0.0.1:{port}/"):
            self.assert_refused(403, Origin=origin)

    def test_a_name_that_a_page_made_point_here_is_not_the_hosts(self):
        host = f"evil.example:{self.echo.port}"
        self.assert_refused(403, Host=host, Origin=f"http://{host}")
        self.assertEqual(self.answer_to(Host=host, Origin=f"https://{host}")[0], 101)  # by a proxy with TLS
        self.assertEqual(self.answer_to(Host=host, Origin=f"http://{host}", Via="1.1 proxy")[0], 101)
        with Echo("--host", "evil.example") as named:
            client = self.enterContext(RawSocket(named.port))
            self.assertEqual(client.respond(client.request(Host=host, Origin=f"http://{host}"))[0], 101)
            client = self.enterContext(RawSocket(named.port))
            self.assertEqual(client.respond(client.request(Host="a.b", Origin="https://a.b", Via="1.1 proxy"))[0], 403)

    def test_other_expectations_are_refused(self):
        self.assert_refused(417, Expect="tea")
        self.assertEqual(self.answer_to(Expect="100-continue")[0], 101)

    def test_without_an_origin_it_is_no_page(self):
        self.assertEqual(self.answer_to()[0], 101)

    def test_headers_have_a_limit(self):
        self.assert_refused(431, X_Padding="x" * HEADER_LIMIT)
        self.assertEqual(self.answer_to(X_Padding="x" * (HEADER_LIMIT // 2))[0], 101)

    def test_what_is_not_http_is_refused(self):
        client = self.connect()
        self.assertEqual(client.respond(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\r\n\r\n")[0], 400)

    def test_a_request_may_come_byte_by_byte(self):
        client = self.connect()
        for byte in client.request():
            client.send(bytes([byte]))
        self.assertEqual(client.response()[0], 101)

    def test_the_first_frames_may_come_with_the_request(self):
        client = self.connect()
        status, _ = client.respond(client.request() + frame(TEXT, b"first") + frame(TEXT, b"second")
                                   + frame(CLOSE, close_payload(1000)))
        self.assertEqual(status, 101)
        self.assertEqual(client.receive(), (0x80 | TEXT, b"first"))
        self.assertEqual(client.receive(), (0x80 | TEXT, b"second"))
        self.assertEqual(client.receive(), (0x80 | CLOSE, struct.pack("!H", 1000)))
        self.assertEqual(client.rest(), b"")

    def test_half_a_frame_may_come_with_the_request(self):
        client = self.connect()
        half, other = frame(TEXT, b"in two")[:5], frame(TEXT, b"in two")[5:]
        self.assertEqual(client.respond(client.request() + half)[0], 101)
        client.send(other)
        self.assertEqual(client.receive(), (0x80 | TEXT, b"in two"))

    def test_a_client_that_leaves_in_the_handshake_harms_nobody(self):
        for half in (b"", b"GET /ws HT"):
            client = self.connect()
            client.send(half)
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()
        self.assertEqual(self.answer_to()[0], 101)


class SlowHandshakeTest(unittest.TestCase):
    def test_is_cut(self):
        with Echo("--handshake-ms", "100") as echo:
            for begun in (b"", b"GET / HTTP/1.1\r\nHost: a\r\n"):
                with RawSocket(echo.port) as client:
                    client.send(begun)
                    with self.assertRaises(Gone):  # the server ends it, nothing is answered
                        client.take(1)

    def test_the_time_is_not_counted_on_an_open_connection(self):
        with Echo("--handshake-ms", "100") as echo, RawSocket(echo.port) as waiting, \
                RawSocket(echo.port) as client:
            client.upgrade("/")
            with self.assertRaises(Gone):  # longer than a handshake may take
                waiting.take(1)
            client.send(frame(TEXT, b"still here"))
            self.assertEqual(client.receive(), (0x80 | TEXT, b"still here"))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""What an operator can ask a running host."""

import http.client
import json
import re
import subprocess
import time
import unittest

from host import Host, mirror, test_plugin
from process import DEADLINE
from raw_websocket import TEXT, RawSocket, frame

ALL = {"price": {"config": {"interval": "100ms"}}, "vcp_signal": {}, "daytrading_signal": {}, "market_gate": {},
       "heartbeat": {"permissions": ["clients"]}}


class OperatorTest(unittest.TestCase):
    def start(self, broadcasters, **sections):
        host = self.enterContext(Host({"broadcasters": broadcasters, **sections}))
        for name in broadcasters:
            if broadcasters[name].get("enabled", True):
                host.wait_until_started(name)
        return host

    def read(self, host, path, status=200):
        found, _, body = host.get(path)
        self.assertEqual(found, status, body)
        return json.loads(body)

    def read_until(self, host, path, is_it):
        """Asks until the answer is what is waited for."""
        until = time.monotonic() + DEADLINE
        while True:
            status, _, body = host.get(path)
            if is_it(status, json.loads(body)):
                return json.loads(body)
            self.assertLess(time.monotonic(), until, body)

    def subscribe(self, host, *topics):
        client = self.enterContext(RawSocket(host.port))
        client.upgrade(host.path + "?subscribe=" + ",".join(topics))
        for _ in range(1 + len(topics)):
            client.receive()
        return client

    def test_a_host_that_is_well_is_alive_and_ready(self):
        host = self.start(ALL)
        self.assertEqual(self.read(host, "/livez"), {"status": "alive"})
        ready = self.read_until(host, "/readyz", lambda status, _: status == 200)
        self.assertEqual((ready["status"], ready["reasons"]), ("ready", []))
        self.assertEqual([one["name"] for one in ready["broadcasters"]], sorted(ALL))

    def test_promtool_finds_nothing_to_say_about_the_metrics(self):
        host = self.start({**ALL, **test_plugin("probe", "probe.so")})
        self.subscribe(host, "price:005930", "signal:vcp")
        host.publish("signal:vcp", [{"ticker": "005930", "name": "x"}])
        host.publish("probe:log", {"do": "metric"})
        checked = subprocess.run(["promtool", "check", "metrics"], input=host.metrics(), text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE, check=False)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))
        for line in ("broadcast_connections 1", "broadcast_subscriptions 2", "broadcast_active_tickers 1",
                     'broadcast_broadcaster_running{broadcaster="price"} 1',
                     'broadcast_broadcaster_state{broadcaster="price",state="ok"} 1',
                     'broadcast_broadcaster_published_total{broadcaster="vcp_signal"} 1',
                     'broadcast_broadcaster_producer_messages_total{broadcaster="probe",verdict="accepted"} 1',
                     'broadcast_producer_messages_total{verdict="accepted"} 2'):
            self.assertIn("\n" + line + "\n", host.metrics())

    def test_a_broadcaster_that_fails_makes_it_unready_until_it_is_back(self):
        host = self.start({**test_plugin("probe", "probe.so"), **ALL})
        self.read_until(host, "/readyz", lambda status, _: status == 200)
        host.publish("probe:log", {"do": "throw"})
        unready = self.read_until(host, "/readyz", lambda status, _: status == 503)
        self.assertRegex(unready["reasons"][0], "probe: down: exception in MESSAGE: thrown")
        self.assertEqual(self.read(host, "/livez"), {"status": "alive"})
        self.read_until(host, "/readyz", lambda status, _: status == 200)
        probe = [one for one in self.read(host, "/v1/broadcasters")["broadcasters"] if one["name"] == "probe"][0]
        self.assertEqual((probe["generation"], probe["counters"]["restarts"], probe["running"]), (2, 1, True))
        self.assertRegex(probe["last_error"]["message"], "exception in MESSAGE: thrown")
        self.assertIn('broadcast_broadcaster_restarts_total{broadcaster="probe"} 1\n', host.metrics())

    def test_what_is_switched_off_or_refused_is_listed_with_the_reason(self):
        host = self.start({**mirror(), "price": {"enabled": False}})
        self.read_until(host, "/readyz", lambda status, _: status == 200)
        price = self.read(host, "/v1/broadcasters")["broadcasters"][1]
        self.assertEqual((price["name"], price["state"], price["enabled"]), ("price", "disabled", False))
        other = self.enterContext(Host({"broadcasters": {"price": {"library": "nowhere.so"}}}))
        self.assertEqual(self.read(other, "/readyz", 503)["status"], "not_ready")
        price = self.read(other, "/v1/broadcasters")["broadcasters"][0]
        self.assertIn("nowhere.so: cannot be read: No such file", price["detail"])

    def test_topics_are_listed_with_who_listens(self):
        host = self.start(ALL)
        self.subscribe(host, "price:123450", "market:kospi")
        self.subscribe(host, "price:123450")
        answer = self.read(host, "/v1/topics?prefix=price:1")
        self.assertEqual(answer["total"], 1)
        topic = answer["topics"][0]
        self.assertEqual((topic["topic"], topic["owner"], topic["subscribers"], topic["delivery"]),
                         ("price:123450", "price", 2, "latest"))

    def test_the_clients_that_are_furthest_behind_are_listed(self):
        host = self.start(mirror())
        self.subscribe(host, "price:123450")
        slow = self.enterContext(RawSocket(host.port, receive_buffer=4096))
        slow.upgrade(host.path + "?subscribe=signal:vcp,price:123450")
        for _ in range(3):
            slow.receive()

        def publish_and_ask(status, answer):
            host.publish("signal:vcp", {"type": "burst", "text": "x" * 50_000})
            return status == 200 and answer["clients"][0]["pending_bytes"] > 100_000

        answer = self.read_until(host, "/v1/clients?sort=pending&limit=1", publish_and_ask)
        self.assertEqual((answer["total"], len(answer["clients"])), (2, 1))
        client = answer["clients"][0]
        self.assertEqual(client["address"], "127.0.0.1:%d" % slow.socket.getsockname()[1])
        self.assertEqual((client["topics"], client["subscriptions"]), (["price:123450", "signal:vcp"], 2))
        self.assertGreater(client["pending_messages"], 1)
        self.assertGreaterEqual(client["oldest_ms"], 0)
        self.assertEqual(len(self.read(host, "/v1/clients")["clients"]), 2)
        until = time.monotonic() + DEADLINE
        while "broadcast_pending_bytes 0\n" in host.metrics():
            self.assertLess(time.monotonic(), until)
        for query in ("limit=x", "limit=1001", "sort=age"):
            self.read(host, "/v1/clients?" + query, status=400)

    def test_the_dashboards_tooling_reads_its_stats(self):
        host = self.start(ALL)
        self.subscribe(host, "price:005930", "price:123450", "signal:vcp")
        self.assertEqual(self.read(host, "/ws/stats"), {
            "active_connections": 1, "subscriptions": {"price:005930": 1, "price:123450": 1, "signal:vcp": 1},
            "active_tickers": ["005930", "123450"], "broadcaster_running": True, "heartbeat_running": True,
            "signal_broadcaster_running": True})

    def test_plugins_keep_numbers_of_their_own_across_a_restart(self):
        host = self.start(test_plugin("probe", "probe.so"))
        host.publish("probe:log", {"do": "metric"})
        host.publish("probe:log", {"do": "throw"})
        self.read_until(host, "/v1/broadcasters", lambda _, answer: answer["broadcasters"][0]["generation"] == 2
                        and answer["broadcasters"][0]["running"])
        host.publish("probe:log", {"do": "metric"})
        metrics = host.metrics()
        for line in ("# TYPE broadcast_plugin_orders_total counter",
                     'broadcast_plugin_orders_total{broadcaster="probe"} 2',
                     'broadcast_plugin_depth{broadcaster="probe"} 1',
                     'broadcast_plugin_took_seconds_bucket{broadcaster="probe",le="+Inf"} 2',
                     'broadcast_plugin_took_seconds_count{broadcaster="probe"} 2'):
            self.assertIn("\n" + line + "\n", metrics)
        self.assertNotIn("# TYPE broadcast_plugin_took_seconds_count", metrics, "its name is another's")

    def test_a_source_that_is_away_degrades_and_the_host_stays_ready(self):
        sources = [{"type": "database", "url": "sqlite:/nowhere/market.db"}, {"type": "sim"}]
        host = self.start({"price": {"config": {"interval": "100ms", "tickers": ["005930"], "sources": sources}}})
        ready = self.read_until(host, "/readyz", lambda _, answer: answer["status"] == "degraded")
        self.assertEqual(self.read(host, "/readyz")["status"], "degraded")
        self.assertRegex(ready["reasons"][0], "price: degraded: .*sim")
        self.assertRegex(ready["broadcasters"][0]["since"], r"^\d{4}-\d\d-\d\dT")

    def test_a_head_has_the_headers_of_a_get_and_no_body(self):
        host = self.start(mirror())
        self.read_until(host, "/readyz", lambda status, _: status == 200)  # no more topics come from now on
        for path in ("/livez", "/v1/topics"):
            asked = http.client.HTTPConnection("127.0.0.1", host.admin_port, timeout=DEADLINE)
            self.addCleanup(asked.close)
            length = len(host.get(path)[2].encode())
            asked.request("HEAD", path)
            head = asked.getresponse()
            self.assertEqual((head.status, head.getheader("content-length"), head.read()), (200, str(length), b""))
            self.assertEqual(head.getheader("cache-control"), "no-store")
            asked.request("GET", path)  # the same connection goes on
            self.assertEqual(len(asked.getresponse().read()), length)

    def test_with_tokens_only_probes_are_open(self):
        host = self.start(mirror(), admin={"tokens": [{"token": "prometheus-secret", "scopes": ["read"]}]})
        self.assertEqual(host.get("/metrics")[0], 401)
        self.assertEqual(host.get("/metrics", "prometheus-secret")[0], 200)
        self.assertEqual(host.publish("signal:vcp", {}, "prometheus-secret")[0], 403)
        self.assertEqual(host.get("/livez")[0], 200)

    def test_refusals_and_closes_are_counted_by_reason_and_told_with_the_address(self):
        host = self.start(mirror(), server={"threads": 1}, limits={"message": "1KiB", "handshake": "500ms"})
        junk = {"tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "not_http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
                "proxy": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n\r\n"}
        wanted = {"origin": {"Origin": "https://evil.example"}, "method": {"method": "POST"},
                  "no_upgrade": {"drop": ("Upgrade",)}, "bad_request": {"Sec_WebSocket_Key": "short"},
                  "too_large": {"X_Padding": "x" * 8192}, "expectation": {"Expect": "tea"}}
        for reason, changes in wanted.items():
            for _ in range(3):
                client = self.enterContext(RawSocket(host.port))
                client.respond(client.request(host.path, **changes))
            self.assertIn(f'\nbroadcast_handshakes_refused_total{{reason="{reason}"}} 3\n', host.metrics())
        for reason, sent in junk.items():
            self.assertEqual(self.enterContext(RawSocket(host.port)).respond(sent)[0], 400)
            self.assertIn(f'\nbroadcast_handshakes_refused_total{{reason="{reason}"}} 1\n', host.metrics())
        client = self.enterContext(RawSocket(host.port))
        self.assertEqual(client.respond(client.request("/elsewhere%0aerror%20forged?token=hidden"))[0], 404)
        self.assertEqual(self.enterContext(RawSocket(host.port)).rest(), b"")  # says nothing
        large = self.subscribe(host, "signal:vcp")
        large.send(frame(TEXT, b"x" * 1025))
        large.rest()
        self.subscribe(host, "signal:vcp").socket.close()
        for line in ('handshakes_refused_total{reason="path"} 1', 'handshakes_refused_total{reason="tls"} 1',
                     'handshakes_refused_total{reason="timeout"} 1', 'handshakes_refused_total{reason="full"} 0',
                     'connections_closed_total{reason="too_large"} 1',
                     'connections_closed_total{reason="abnormal"} 1'):
            self.wait_for_metric(host, "broadcast_" + line)
        host.stop()
        at = r"127\.0\.0\.1:\d+: "
        for pattern in (
                r"warn.* handshake refused \(origin\): " + at + r"403 Pages .* It asked for GET /ws, Host: "
                r"127\.0\.0\.1:\d+, Origin: https://evil\.example$",
                r"info.* handshake refused \(path\): " + at + "404 .* It asked for GET /elsewhere error forged, Host: ",
                r"info.* handshake refused \(no_upgrade\): " + at + "426 ",
                r"warn.* handshake refused \(tls\): " + at + "400 Not an HTTP request: ",
                r"info.* handshake refused \(timeout\): " + at + "no HTTP request in time",
                r"info.* connection closed \(too_large\): " + at + "1009 message too large$"):
            self.assertEqual(len(re.findall(pattern, host.log(), re.MULTILINE)), 1, pattern + "\n" + host.log())
        self.assertNotIn("hidden", host.log())

    def wait_for_metric(self, host, line):
        until = time.monotonic() + DEADLINE
        while "\n" + line + "\n" not in (metrics := host.metrics()):
            self.assertLess(time.monotonic(), until, line + "\n" + metrics)

    def test_curl_sends_a_large_body_once_it_is_wanted(self):
        host = self.start(mirror(), admin={"tokens": [{"token": "scanner-secret-token", "scopes": ["publish"]}]})
        body = json.dumps({"type": "burst", "text": "x" * 200_000})

        def post(token):
            return subprocess.run(
                ["curl", "-sv", "--http1.1", "--expect100-timeout", str(DEADLINE), "-H", "Expect: 100-continue", "-H",
                 f"Authorization: Bearer {token}", "--data-binary", "@-", "-m", str(DEADLINE / 2),
                 f"http://127.0.0.1:{host.admin_port}/v1/publish/signal:vcp"],
                input=body, text=True, capture_output=True, timeout=DEADLINE, check=False)

        wanted = post("scanner-secret-token")
        self.assertIn("< HTTP/1.1 100 Continue", wanted.stderr)
        self.assertEqual(json.loads(wanted.stdout)["seq"], 1)
        refused = post("guessed")
        self.assertNotIn("100 Continue", refused.stderr)
        self.assertIn("< HTTP/1.1 401 ", refused.stderr)
        self.assertEqual(json.loads(refused.stdout)["error"], "unauthorized")

    def test_log_lines_are_json_where_that_is_asked_for(self):
        host = self.start(test_plugin("probe", "probe.so"), log={"format": "json", "level": "debug"})
        host.publish("probe:log", {"do": "throw"})  # with a newline and a byte that is not UTF-8
        host.wait_for_line("thrown")
        host.stop()
        lines = [json.loads(line) for line in host.log().splitlines()]
        self.assertTrue(lines)
        for line in lines:
            self.assertEqual(sorted(line), ["level", "message", "time"])
        failed = [line for line in lines if "thrown" in line["message"]][0]
        self.assertEqual((failed["level"], failed["message"]),
                         ("error", "probe: exception in MESSAGE: thrown ? on request; next try in 1 s"))


if __name__ == "__main__":
    unittest.main()

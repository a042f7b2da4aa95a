#!/usr/bin/python3
"""Behind nginx and HAProxy as Debian has them, configured as docs/operations.md says."""

import json
import os
import socket
import tempfile
import time
import unittest

from certificates import Certificates
from host import Host, mirror
from process import DEADLINE, Process
from server import Server
from subscriber import Subscriber

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "operations.md")


def snippets(language):
    """What the docs show in `language`, in order."""
    with open(DOCS, encoding="utf-8") as file:
        return [block.split("```")[0] for block in file.read().split(f"```{language}\n")[1:]]


def replaced(text, **changes):
    """`text` with what is a test's own; each must be there."""
    for old, new in changes.values():
        assert old in text, old
        text = text.replace(old, new)
    return text


class Nginx(Server):
    """The docs' server block on a free port, in front of `upstream`."""

    def __init__(self, certificates, upstream, more=""):
        super().__init__("nginx")
        server, tls = snippets("nginx")
        plain = "proxy_pass http://127.0.0.1:5111;"
        if upstream.startswith("https:"):
            more = replaced(tls, upstream=("https://host.example.com:5111", upstream), ca=("/etc/ssl/ca.pem", certificates.ca),
                            name=("proxy_ssl_name host.example.com", "proxy_ssl_name localhost"))
            server = server.replace(plain, more)
        else:
            server = replaced(server, upstream=(plain, f"proxy_pass {upstream};"))
        server = replaced(server, listen=("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
                          name=("dashboard.example.com", "localhost"),
                          certificate=("/etc/ssl/dashboard.pem", certificates.certificate),
                          key=("/etc/ssl/dashboard.key", certificates.key))
        self._config = os.path.join(self._directory, "nginx.conf")
        paths = "".join(f"{name}_temp_path {self._directory}/{name};\n"
                        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self._config, "w", encoding="utf-8") as file:
            file.write(f"daemon off; master_process off; pid {self._directory}/pid; error_log stderr notice;\n"
                       f"events {{}}\nhttp {{ access_log off; {paths}{server}}}\n")

    def start(self):
        self._server = Process("nginx", "-p", self._directory, "-e", "stderr", "-c", self._config)
        self._server.wait_for_line("start worker process|epoll. event method")


class HaProxy(Server):
    """The docs' configuration on a free port, in front of hosts that have these (port, admin port)."""

    def __init__(self, *hosts):
        super().__init__("haproxy")
        text, = snippets("haproxy")
        one = "  server one 127.0.0.1:5111 send-proxy-v2\n"
        servers = "".join(f"  server h{i} 127.0.0.1:{host.port} send-proxy-v2 port {host.admin_port}\n"
                          for i, host in enumerate(hosts))
        text = replaced(text, bind=("bind :443", f"bind 127.0.0.1:{self.port}"), servers=(one, servers),
                        checks=(" port 5112", ""), fast=("inter 2s", "inter 200ms"))
        self._config = os.path.join(self._directory, "haproxy.cfg")
        with open(self._config, "w", encoding="utf-8") as file:
            file.write(f"global\n  log stderr format raw local0\n{text}".replace("defaults\n", "defaults\n  log global\n"))

    def start(self):
        self._server = Process("haproxy", "-db", "-f", self._config)
        until = time.monotonic() + DEADLINE
        while not self._listens():
            assert time.monotonic() < until and not self._server.has_ended(), self._server.log()

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), DEADLINE).close()
            return True
        except ConnectionRefusedError:
            return False

    def wait_for_line(self, pattern):
        return self._server.wait_for_line(pattern)


class At:
    """Where a Subscriber connects: at a proxy in front of `host`."""

    def __init__(self, host, scheme, port):
        self.path = host.path
        self._at = f"{scheme}://localhost:{port}"

    def url(self, target):
        return self._at + target


class ProxyServersTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-proxies-"))
        self.certificates = Certificates(directory)
        self.tls = {"certificate": self.certificates.certificate, "key": self.certificates.key}
        self.unix = os.path.join(directory, "ws.sock")

    def start(self, **server):
        host = self.enterContext(Host({"broadcasters": mirror(), "server": {"threads": 1} | server}))
        host.wait_until_started("mirror")
        return host

    async def see_publications(self, host, scheme, port, **how):
        if scheme == "wss":
            how["ssl"] = self.certificates.client_context()
        client = await Subscriber.connect(At(host, scheme, port), "signal:vcp", **how)
        await client.next_of("subscribed")
        for number in (1, 2):
            self.assertEqual(host.publish("signal:vcp", {"type": "signal", "n": number, "text": "x" * 100_000})[0], 200)
            await client.next_of("signal", n=number)
        return client

    def addresses(self, host):
        return [client["address"] for client in json.loads(host.get("/v1/clients")[2])["clients"]]

    async def test_nginx_with_tls_in_front(self):
        host = self.start(trusted_proxies=["127.0.0.1"])
        nginx = self.enterContext(Nginx(self.certificates, f"http://127.0.0.1:{host.port}"))
        client = await self.see_publications(host, "wss", nginx.port, origin=f"https://localhost:{nginx.port}")
        await client.leave()
        # What a client makes up about itself stands further left, and is not believed.
        await self.see_publications(host, "wss", nginx.port, local_addr=("127.0.0.2", 0),
                                    extra_headers={"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.2"})
        self.assertEqual(self.addresses(host), ["127.0.0.2:0"])
        self.assertNotIn("contradictory", host.log())

    async def test_nginx_to_a_host_with_tls_whose_certificate_it_checks(self):
        host = self.start(trusted_proxies=["127.0.0.1"], tls=self.tls)
        nginx = self.enterContext(Nginx(self.certificates, f"https://127.0.0.1:{host.port}"))
        await self.see_publications(host, "wss", nginx.port)

    async def test_nginx_through_a_unix_socket(self):
        host = self.start(trusted_proxies=["unix"], listen="unix:" + self.unix)
        nginx = self.enterContext(Nginx(self.certificates, f"http://unix:{self.unix}:"))
        await self.see_publications(host, "wss", nginx.port)
        self.assertEqual(self.addresses(host), ["127.0.0.1:0"])

    async def test_haproxy_with_proxy_version_2(self):
        for scheme, tls in (("ws", {}), ("wss", self.tls)):
            host = self.start(trusted_proxies=["127.0.0.1"], proxy_protocol=True, tls=tls)
            haproxy = self.enterContext(HaProxy(host))
            client = await self.see_publications(host, scheme, haproxy.port)
            own_port = client._client.local_address[1]
            self.assertEqual(self.addresses(host), [f"127.0.0.1:{own_port}"])

    async def test_haproxy_sends_nobody_to_a_host_that_drains(self):
        hosts = [self.start(trusted_proxies=["127.0.0.1"], proxy_protocol=True, drain_delay=delay) for delay in ("1h", "0s")]
        haproxy = self.enterContext(HaProxy(*hosts))
        hosts[0].terminate()
        haproxy.wait_for_line(r"hosts/h0 is DOWN")
        clients = [await Subscriber.connect(At(hosts[1], "ws", haproxy.port)) for _ in range(4)]
        self.assertEqual((len(self.addresses(hosts[0])), len(self.addresses(hosts[1]))), (0, 4))
        for client in clients:
            await client.leave()
        hosts[0].terminate()  # the second one skips the delay
        hosts[0].expect_end()


if __name__ == "__main__":
    unittest.main()

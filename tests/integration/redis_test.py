#!/usr/bin/python3
"""Producers publish through a real Redis, with Python's own client, as Celery tasks do; subscribers see it."""

import asyncio
import json
import os
import re
import socket
import tempfile
import threading
import time
import unittest

from certificates import Certificates
from cutting_proxy import CuttingProxy
from host import Host, run_host
from process import DEADLINE
from redis_server import PASSWORD, RedisServer
from subscriber import Subscriber

SIGNAL = {"ticker": "005930", "name": "삼성전자", "checks": []}
DAYTRADING = {"daytrading_signal": {"permissions": ["cache"]}}


def metric(host, name):
    """The sum over its labels."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in host.metrics().splitlines()
               if line.startswith((name + " ", name + "{")))


def wait_for_metric(host, name, least):
    until = time.monotonic() + DEADLINE
    while metric(host, name) < least:
        if time.monotonic() > until:
            raise AssertionError(f"{name} is {metric(host, name)}, not {least}:\n{host.log()}")


class RedisTest(unittest.IsolatedAsyncioTestCase):
    def start_redis(self, **how):
        return self.enterContext(RedisServer(**how))

    def start_host(self, url, broadcasters=None, redis=None, **more):
        broadcasters = DAYTRADING if broadcasters is None else broadcasters
        host = self.enterContext(Host({"broadcasters": broadcasters, "redis": {"url": url, **(redis or {})}, **more}))
        for name in broadcasters:
            host.wait_until_started(name)
        return host

    async def connect(self, host, *topics):
        subscriber = await Subscriber.connect(host, *topics)
        self.addAsyncCleanup(subscriber.leave)
        for _ in topics:
            await subscriber.next_of("subscribed")
        return subscriber

    async def see_a_signal(self, host, server, name="one"):
        """Publishes until it arrives: a subscription may only just begin again."""
        reader = await self.connect(host, "signal:daytrading")
        payload = json.dumps([{**SIGNAL, "name": name}])
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            before = host.line_count()
            if server.client().publish("ws:broadcast:signal:daytrading", payload) == 0:
                host.wait_for_line("subscribed to ws:broadcast:", since=before)  # nobody listened yet
                continue
            update = await reader.next_where(lambda message: message["type"] == "signal_update" and
                                             message["data"]["signals"][0]["name"] == name)
            return update
        raise AssertionError(host.log())

    async def test_what_redis_cli_publishes_reaches_a_subscriber(self):
        server = self.start_redis()
        host = self.start_host(server.url())
        host.wait_for_line("subscribed to ws:broadcast:")
        reader = await self.connect(host, "signal:daytrading")
        self.assertEqual(server.cli("publish", "ws:broadcast:signal:daytrading",
                                    json.dumps([SIGNAL])).strip(), "1")
        update = await reader.next_of("signal_update")
        self.assertEqual((update["seq"], update["data"]["signals"]), (1, [SIGNAL]))
        self.assertEqual(metric(host, "broadcast_redis_connected"), 2)  # the subscriber, and the cache

    async def test_a_user_with_a_password(self):
        server = self.start_redis(user=True)
        host = self.start_host(server.url())
        await self.see_a_signal(host, server)
        self.assertNotIn(PASSWORD, host.log())

    async def test_a_wrong_password_is_said_without_it(self):
        server = self.start_redis(user=True)
        host = self.start_host(server.url(secret="producer:n0t-th1s"))
        host.wait_for_line("refuses the connection: AUTH: WRONGPASS")
        self.assertNotIn("n0t-th1s", host.log())
        reader = await self.connect(host, "status:redis")
        status = await reader.next_where(lambda message: "refuses" in message.get("detail", ""))
        self.assertNotIn("n0t-th1s", json.dumps(status))

    async def test_an_error_that_repeats_the_password_is_said_without_it(self):
        server = self.start_redis(more=["--rename-command", "AUTH", ""])
        host = self.start_host(f"redis://producer:n0t-th1s@127.0.0.1:{server.port}/0")
        host.wait_for_line("refuses the connection: AUTH: ERR;")
        self.assertNotIn("n0t-th1s", host.log())

    async def test_a_unix_socket(self):
        server = self.start_redis()
        await self.see_a_signal(self.start_host(f"unix://{server.socket}?db=0"), server)

    async def test_tls_with_a_ca_of_ones_own(self):
        with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as other:
            tls = Certificates(directory)
            server = self.start_redis(tls=tls)
            url = server.url("rediss", "localhost")
            await self.see_a_signal(self.start_host(url, redis={"ca": tls.ca}), server)
            # Neither somebody else's CA nor another name than the certificate's is good enough.
            for host in (self.start_host(url, redis={"ca": Certificates(other).ca}),
                         self.start_host(server.url("rediss"), redis={"ca": tls.ca})):
                host.wait_for_line("cannot connect: .*certificate verify failed")
                self.assertEqual(metric(host, "broadcast_redis_connected"), 0)

    async def test_tls_as_celery_and_redis_py_ask_for_it_in_the_url(self):
        with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as other:
            tls, others = Certificates(directory), Certificates(other)
            server = self.start_redis(tls=tls)
            named, numbered = server.url("rediss", "localhost"), server.url("rediss")
            for url in (f"{named}?ssl_ca_certs={tls.ca}&ssl_cert_reqs=required", f"{named}?ssl_cert_reqs=CERT_OPTIONAL&ssl_ca_certs={tls.ca}",
                        f"{numbered}?ssl_ca_certs={tls.ca}&ssl_check_hostname=false", f"{numbered}?ssl_cert_reqs=none",
                        f"{numbered}?ssl_cert_reqs=CERT_NONE&ssl_ca_certs={others.ca}&socket_timeout=5"):
                host = self.start_host(url)
                await self.see_a_signal(host, server)
                host.stop()  # the next one's signal is not to be published before that one listens
                self.assertEqual("certificate is not checked" in host.log(), "none" in url.lower(), host.log())
                self.assertEqual("redis.url: socket_timeout: not used" in host.log(), "socket_timeout" in url)
            for url in (f"{named}?ssl_ca_certs={others.ca}&ssl_check_hostname=false", f"{numbered}?ssl_ca_certs={tls.ca}", named):
                host = self.start_host(url)
                host.wait_for_line("cannot connect: .*certificate verify failed")

    async def test_a_redis_that_asks_for_a_certificate_gets_ours(self):
        with tempfile.TemporaryDirectory() as directory:
            tls = Certificates(directory)
            server = self.start_redis(tls=tls, more=["--tls-auth-clients", "yes"])
            url = f"{server.url('rediss', 'localhost')}?ssl_ca_certs={tls.ca}"
            await self.see_a_signal(self.start_host(f"{url}&ssl_certfile={tls.certificate}&ssl_keyfile={tls.key}"), server)
            self.start_host(url).wait_for_line("subscriber: .* closed: ")

    async def test_a_broker_that_is_not_redis_is_passed_over(self):
        server = self.start_redis()
        os.environ.update(CELERY_BROKER_URL="amqp://celery:s3cret@127.0.0.1//", REDIS_URL=server.url())
        try:
            with Host({"broadcasters": DAYTRADING}) as host:
                host.wait_until_started("daytrading_signal")
                host.wait_for_line("CELERY_BROKER_URL from the environment is not a Redis URL and is skipped; REDIS_URL is read")
                await self.see_a_signal(host, server)
                self.assertNotIn("s3cret", host.log())
        finally:
            del os.environ["CELERY_BROKER_URL"], os.environ["REDIS_URL"]

    def test_a_file_that_is_no_ca_ends_the_start(self):
        ended = run_host({"redis": {"url": "rediss://localhost/0", "ca": "/nowhere/ca.pem"}})
        self.assertEqual(ended.returncode, 1)
        self.assertIn("redis.ca: /nowhere/ca.pem: cannot be read", ended.stdout)

    async def test_killed_and_restarted_it_is_found_again(self):
        server = self.start_redis()
        host = self.start_host(server.url())
        await self.see_a_signal(host, server, "before")
        reader = await self.connect(host, "status:redis")
        server.kill()
        await reader.next_of("status", state="down")
        server.start()
        await reader.next_of("status", state="ok")
        await self.see_a_signal(host, server, "after")
        self.assertGreaterEqual(metric(host, "broadcast_redis_reconnects_total"), 1)

    async def test_a_host_starts_without_redis_and_serves_everything_else(self):
        server = self.start_redis()
        server.kill()
        host = self.start_host(server.url())
        self.assertEqual(host.publish("signal:daytrading", [SIGNAL])[0], 200)
        server.start()
        await self.see_a_signal(host, server)

    async def test_a_frozen_redis_holds_nothing_up_and_is_given_up(self):
        server = self.start_redis()
        host = self.start_host(server.url())
        await self.see_a_signal(host, server, "before")
        reader = await self.connect(host, "status:redis")
        with server.frozen():
            self.assertEqual(host.publish("signal:daytrading", [SIGNAL])[0], 200)
            await reader.next_where(lambda message: message["type"] == "status" and message["state"] == "down" and
                                    "does not answer" in message["detail"])
        await self.see_a_signal(host, server, "after")

    async def test_cut_off_in_the_middle_of_a_message(self):
        server = self.start_redis()
        with CuttingProxy(server.port) as proxy:
            host = self.start_host(f"redis://127.0.0.1:{proxy.port}/0", {"daytrading_signal": {}})
            for count in (1, 40, 80):
                await self.see_a_signal(host, server, f"before {count}")
                proxy.cut_after(count)
                server.client().publish("ws:broadcast:signal:daytrading", json.dumps([SIGNAL]))
                await asyncio.to_thread(proxy.wait_for_cut, DEADLINE)
            await self.see_a_signal(host, server, "after all")

    async def test_what_cannot_be_delivered_is_counted_and_the_subscription_goes_on(self):
        server = self.start_redis()
        host = self.start_host(server.url(), DAYTRADING)
        await self.see_a_signal(host, server, "before")
        reader = await self.connect(host, "status:redis")
        publish = server.client().publish
        wrong = (("signal:daytrading", "{nix", "not_json"),
                 ("signal:daytrading", "\xff".encode("latin-1"), "not_json"),
                 ("signal:daytrading", "[" * 100 + "]" * 100, "not_json"),
                 ("signal:daytrading", '"text"', "neither_object_nor_list"),
                 ("signal:daytrading", "[" + "1," * 200_000 + "1]", "too_large"),
                 ("signal:daytrading", '[{"name": "no ticker"}]', "refused"),
                 ("nobody:knows", "{}", "no_owner"),
                 ("bad name", "{}", "no_owner"),
                 ("status:price", "{}", "no_owner"))
        for topic, payload, _ in wrong:
            publish("ws:broadcast:" + topic, payload)
        await self.see_a_signal(host, server, "after")
        wait_for_metric(host, "broadcast_redis_refused_total", len(wrong))
        for reason in {reason for *_, reason in wrong}:
            count = sum(reason == row[2] for row in wrong)
            self.assertEqual(metric(host, 'broadcast_redis_refused_total{reason="%s"}' % reason), count, reason)
        status = await reader.next_of("status", state="degraded")
        self.assertIn("not_json", status["detail"])
        # Once a minute a channel.
        told = "a message on ws:broadcast:signal:daytrading is dropped"
        host.wait_for_line(told)
        self.assertEqual(host.log().count(told), 1)

    def test_hostile_lengths_cost_no_memory(self):
        with HostileServer() as hostile:
            host = self.start_host(f"redis://127.0.0.1:{hostile.port}/0", {})
            hostile.wait_for_connections(1)
            before = metric(host, "process_resident_memory_bytes")
            hostile.wait_for_connections(len(hostile.SAYS))
            self.assertLess(metric(host, "process_resident_memory_bytes") - before, 64 * 1024 * 1024)
            host.wait_for_line("sent an unreadable reply: a string longer than Redis allows")

    async def test_relayed_topics_are_passed_through_as_they_came(self):
        server = self.start_redis()
        host = self.start_host(server.url(), {}, relay=["news:*", {"topic": "log:all", "delivery": "all"}])
        host.wait_for_line("subscribed to ws:broadcast:")
        reader = await self.connect(host, "news:krx", "log:all")
        publish = server.client().publish
        publish("ws:broadcast:news:krx", '{"topic":"x","type":"news","price":1.10,"seq":7}')
        message = await reader.next()
        self.assertEqual(message, {"topic": "news:krx", "seq": 1, "type": "news", "price": 1.1})
        publish("ws:broadcast:log:all", "[1, 2]")
        self.assertEqual(await reader.next(), {"topic": "log:all", "seq": 1, "type": "relay", "data": [1, 2]})
        self.assertEqual(host.publish("log:all", {"n": 1}), (200, {"topic": "log:all", "seq": 2, "subscribers": 1,
                                                                   "durable": False}))
        self.assertEqual(await reader.next(), {"topic": "log:all", "seq": 2, "type": "relay", "n": 1})
        self.assertEqual(host.publish("log:all", "7")[0], 422)

    async def test_a_byte_order_mark_is_skipped_at_every_door_and_published_by_none(self):
        server = self.start_redis()
        host = self.start_host(server.url(), {}, redis={"stream": "ws:stream"}, relay=["log:*"])
        host.wait_for_line("subscribed to ws:broadcast:")
        host.wait_for_line("stream connected")
        reader = await self.connect(host, "log:a", "status:stream")
        await reader.next_of("status", state="ok")  # it has begun: what is added from now on is read
        client = server.client()
        marked = "\ufeff" + '{"type":"x"}'
        for publish in (lambda text: host.publish("log:a", text),
                        lambda text: client.publish("ws:broadcast:log:a", text),
                        lambda text: client.xadd("ws:stream", {"topic": "log:a", "payload": text})):
            publish(marked)
            self.assertEqual((await reader.next_of("x"))["topic"], "log:a")

    def test_what_is_not_json_is_said_with_its_place(self):
        server = self.start_redis()
        host = self.start_host(server.url(), {}, redis={"stream": "ws:stream"}, relay=["log:*"])
        host.wait_for_line("subscribed to ws:broadcast:")
        text = '{"price": 8 2500,\x1b[31m}'
        client = server.client()
        client.publish("ws:broadcast:log:a", text)
        host.wait_for_line(r"ws:broadcast:log:a .*\(not_json\): it is not JSON: line 1, column 16, near \{\"price\": 8 2500, \[31m\}")
        self.assertIn("not valid JSON: line 1, column 16, near ", host.publish("log:a", text)[1]["message"])

    def test_a_relay_does_not_take_a_broadcasters_topic(self):
        config = {"broadcasters": {"daytrading_signal": {}}, "relay": ["signal:*"]}
        ended = run_host(config, "--check")
        self.assertEqual(ended.returncode, 1)
        self.assertIn('relay[0]: topic "signal:*" is already owned by daytrading_signal', ended.stdout)

    async def test_after_a_broadcast_the_cache_is_dropped(self):
        server = self.start_redis(durable=True)
        host = self.start_host(server.url())
        host.wait_for_line("cache connected")
        client = server.client()
        client.mset({f"ralph_stock:daytrading:signals:{i}": "old" for i in range(2000)})
        client.set("ralph_stock:daytrading:other", "kept")
        await self.see_a_signal(host, server)
        wait_for_metric(host, "broadcast_cache_dropped_keys_total", 2000)
        self.assertEqual(client.keys("*"), [b"ralph_stock:daytrading:other"])
        # While Redis is away nothing is held up; afterwards it is dropped all the same.
        client.set("ralph_stock:daytrading:signals:late", "old")
        server.kill()
        self.assertEqual(host.publish("signal:daytrading", [SIGNAL])[0], 200)
        server.start()
        wait_for_metric(host, "broadcast_cache_dropped_keys_total", 2001)
        self.assertEqual(server.client().keys("*"), [b"ralph_stock:daytrading:other"])

    def test_the_cache_may_be_in_another_database_than_the_broker(self):
        server = self.start_redis()
        broker, cache = server.client(), server.client(db=1)
        key = "ralph_stock:daytrading:signals:70:kospi:50:list"  # as the dashboard's REST API has it
        for where in ({"cache": server.url(database=1)}, {"url": "", "cache": server.url(database=1)}):
            broker.set(key, "kept")
            cache.set(key, "old")
            cache.set("ralph_stock:stock:005930", "kept")
            host = self.start_host(server.url(), redis=where)
            host.wait_for_line("cache connected")
            self.assertEqual(host.publish("signal:daytrading", [SIGNAL])[0], 200)
            wait_for_metric(host, "broadcast_cache_dropped_keys_total", 1)
            self.assertEqual(cache.keys("*"), [b"ralph_stock:stock:005930"])
            self.assertEqual(broker.get(key), b"kept")
            self.assertEqual('{connection="subscriber"}' in host.metrics(), "url" not in where)
            host.stop()

    def test_a_pattern_that_never_matches_is_told_once_and_what_to_do(self):
        server = self.start_redis()
        server.client(db=1).set("ralph_stock:daytrading:signals:1", "kept: no cache is configured there")
        host = self.start_host(server.url())
        host.wait_for_line("cache connected")
        for drops in range(1, 7):
            self.assertEqual(host.publish("signal:daytrading", [SIGNAL])[0], 200)
            wait_for_metric(host, "broadcast_cache_drops_total", drops)
        host.stop()
        told = f"has matched no key of redis://127.0.0.1:{server.port}/0 in 3 drops; .* redis.cache"
        self.assertEqual(len(re.findall(told, host.log())), 1, host.log())

    def test_what_is_to_be_dropped_when_the_host_ends_is_dropped(self):
        server = self.start_redis()
        host = self.start_host(server.url())
        host.wait_for_line("cache connected")
        server.client().mset({f"ralph_stock:daytrading:signals:{i}": "old" for i in range(5_000)})
        self.assertEqual(host.publish("signal:daytrading", [SIGNAL])[0], 200)
        host.stop()
        self.assertEqual(server.client().dbsize(), 0, host.log())

    def test_what_cannot_be_dropped_before_the_end_is_told(self):
        server = self.start_redis()
        host = self.start_host(server.url())
        host.wait_for_line("cache connected")
        server.kill()
        self.assertEqual(host.publish("signal:daytrading", [SIGNAL])[0], 200)
        host.stop()
        self.assertIn("the host ends before the keys of 1 patterns were dropped", host.log())

    def test_a_configuration_for_a_redis_that_is_not_there_is_warned_of(self):
        config = {"broadcasters": DAYTRADING, "redis": {"url": "", "stream": "ws:stream", "ca": "/x.pem"}}
        checked = run_host(config, "--check")
        self.assertEqual(checked.returncode, 0)
        with Host(config) as host:
            for where in ("redis.stream: not read", "redis.ca: not used",
                          "broadcasters.daytrading_signal.permissions: cache: not used"):
                self.assertIn(where, checked.stdout)
                self.assertIn(where, host.log())

    async def test_a_redis_that_refuses_to_drop_is_counted(self):
        server = self.start_redis(more=["--rename-command", "UNLINK", ""])
        host = self.start_host(server.url())
        host.wait_for_line("cache connected")
        server.client().set("ralph_stock:daytrading:signals:1", "old")
        self.assertEqual(host.publish("signal:daytrading", [SIGNAL])[0], 200)
        wait_for_metric(host, "broadcast_cache_errors_total", 1)
        host.wait_for_line("keys ralph_stock:daytrading:signals:\\* were not all dropped: ERR unknown command")

    async def test_without_the_permission_nothing_is_dropped(self):
        server = self.start_redis()
        host = self.start_host(server.url(), {"daytrading_signal": {}})
        server.client().set("ralph_stock:daytrading:signals:1", "kept")
        await self.see_a_signal(host, server)
        self.assertEqual(server.client().get("ralph_stock:daytrading:signals:1"), b"kept")
        self.assertEqual(metric(host, "broadcast_cache_drops_total"), 0)

    def test_the_environment_says_where_redis_is(self):
        server = self.start_redis()
        for name, value in (("CELERY_BROKER_URL", server.url()), ("REDIS_URL", f"unix://{server.socket}")):
            os.environ[name] = value
            try:
                with Host({}) as host:
                    host.wait_for_line("subscribed to ws:broadcast:")
            finally:
                del os.environ[name]
        with Host({}) as host:
            self.assertEqual(metric(host, "broadcast_redis_connected"), 0)


class HostileServer:
    """Speaks as Redis does until it is greeted, then announces what nobody can hold. Raw bytes, because no Redis says so."""

    SAYS = (b"$2147483647\r\n", b"*1000000\r\n" + b"$-1\r\n" * 10, b"*2147483647\r\n", b"*1\r\n" * 100,
            b"$500000000\r\n" + b"x" * 1_000_000)

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._count = threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait_for_connections(self, count):
        for _ in range(count):
            if not self._count.acquire(timeout=DEADLINE):
                raise AssertionError("nobody connects")

    def _run(self):
        turn = 0
        try:
            while True:
                client, _ = self._listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(b"+OK\r\n+PONG\r\n" + self.SAYS[turn % len(self.SAYS)])
                    turn += 1
                    self._count.release()
                    client.settimeout(0.2)
                    try:
                        while client.recv(4096):
                            pass
                    except OSError:
                        pass
        except OSError:
            pass


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""What a broadcaster keeps from one generation to the next, on the real host: replaced, switched off, stopped, killed."""

import http.client
import json
import os
import random
import tempfile
import threading
import unittest

from host import Host, test_plugin
from process import DEADLINE

KILLS = int(os.environ.get("BROADCAST_KILLS", "5"))
SEED = int(os.environ.get("BROADCAST_SEED", random.randrange(1 << 32)))
MOST = 1024 * 1024


class Setter(threading.Thread):
    """Has one state after the other kept until the host is gone."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self._port = host.admin_port
        self.taken = threading.Semaphore(0)

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            while True:
                for fill in "abcdefghijklmnopqrstuvwxyz":
                    connection.request("POST", "/v1/publish/keeper:state", json.dumps({"fill": fill, "bytes": MOST}))
                    response = connection.getresponse()
                    response.read()
                    assert response.status == 202
                    self.taken.release()
        except (OSError, http.client.HTTPException):
            pass  # the host is gone
        finally:
            connection.close()


class PluginStateTest(unittest.TestCase):
    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-plugin-state-"))
        self.config = {"broadcasters": test_plugin("keeper")}
        self.durable = {**self.config, "state": {"path": os.path.join(directory, "state.db"), "latest_every": "10ms"}}

    def start(self, config):
        return self.enterContext(Host(config))

    def keep(self, host, fill, size):
        self.assertEqual(host.publish("keeper:state", {"fill": fill, "bytes": size})[0], 202)  # nothing was published

    def expect_found(self, host, what, since=0):
        host.wait_for_line(rf"keeper: finds {what}$", since)

    def test_survives_replacement_restart_and_disabling(self):
        host = self.start(self.config)
        self.expect_found(host, "0 bytes of ")
        for fill, operations in (("a", ("replace",)), ("b", ("restart",)), ("c", ("disable", "enable"))):
            self.keep(host, fill, MOST)
            since = host.line_count()
            for operation in operations:
                status, answer = host.post(f"/v1/broadcasters/keeper/{operation}")
                self.assertEqual(status, 200, answer)
            self.expect_found(host, f"{MOST} bytes of {fill}", since)

    def test_an_operator_can_have_it_forgotten_once_the_broadcaster_is_off(self):
        def expect(action, status, **answers):
            got, answer = host.post(f"/v1/broadcasters/keeper/{action}")
            self.assertEqual((got, {key: answer.get(key) for key in answers}), (status, answers))
            return answer

        with Host(self.durable) as host:
            host.wait_until_started("keeper")
            self.keep(host, "a", 7)
            expect("forget-state", 422, errors=["keeper: it is running and may keep another state; disable it first"])
            expect("disable", 200)
            answer = expect("forget-state", 200, outcome="done")
            self.assertEqual([step["did"] for step in answer["broadcasters"]], ["forgot its state of 7 bytes"])
            expect("forget-state", 200, broadcasters=[])
            since = host.line_count()
            expect("enable", 200)
            self.expect_found(host, "0 bytes of ", since)
            self.keep(host, "b", 5)
            host.stop()
        with Host({**self.durable, "broadcasters": {}}) as host:
            self.assertEqual(host.post("/v1/broadcasters/nobody/forget-state")[0], 404)
            expect("forget-state", 200, outcome="done")  # of one that is in the YAML no more
            host.stop()
        with Host(self.durable) as host:
            self.expect_found(host, "0 bytes of ")

    def test_survives_a_restart_of_the_host_where_there_is_a_state_path(self):
        for config, found in ((self.durable, "7 bytes of x"), (self.config, "0 bytes of ")):
            with Host(config) as host:
                host.wait_until_started("keeper")
                self.keep(host, "y", 9)
                self.keep(host, "x", 7)
                host.stop()
            with Host(config) as host:
                self.expect_found(host, found)
                host.stop()

    def test_a_kill_between_two_leaves_one_of_them_whole(self):
        print("BROADCAST_SEED:", SEED)
        chance = random.Random(SEED)
        for kill in range(KILLS + 1):
            with Host(self.durable) as host:
                host.wait_until_started("keeper")
                if kill > 0:
                    self.expect_found(host, f"{MOST} bytes of [a-z]")
                setter = Setter(host)
                setter.start()
                for _ in range(chance.randrange(20, 60)):
                    self.assertTrue(setter.taken.acquire(timeout=DEADLINE))
                host.kill()
                setter.join(DEADLINE)

    def test_one_that_is_too_large_is_refused_counted_and_told_once(self):
        host = self.start(self.config)
        host.wait_until_started("keeper")
        self.keep(host, "a", 3)
        for _ in range(3):
            status, answer = host.publish("keeper:state", {"fill": "b", "bytes": MOST + 1})
            self.assertEqual((status, answer["error"]), (422, "refused"))
            self.assertIn("a state of 1048577 bytes refused by the host: too large", answer["message"])
        self.assertIn('broadcast_broadcaster_state_refused_total{broadcaster="keeper"} 3', host.metrics())
        since = host.line_count()
        host.post("/v1/broadcasters/keeper/restart")
        self.expect_found(host, "3 bytes of a", since)
        self.assertEqual(host.log().count("a state of 1048577 bytes is refused: at most 1048576 are kept"), 1)


if __name__ == "__main__":
    unittest.main()

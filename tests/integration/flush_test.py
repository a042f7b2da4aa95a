#!/usr/bin/python3
"""`server.flush`: where io_uring is not permitted, one line says so and everybody is served all the same."""

import json
import os
import unittest

from host import Host, mirror
from raw_websocket import RawSocket

WITHOUT_IO_URING = os.environ["BROADCAST_WITHOUT_IO_URING"]
LINE = r"(info|warning) +server\.flush: io_uring is not available \(io_uring_{}: Operation not permitted\); .* sendmsg"


class FlushTest(unittest.TestCase):
    def start(self, flush, *launcher):
        config = {"server": {"flush": flush, "threads": 3}, "broadcasters": mirror()}
        host = self.enterContext(Host(config, launcher=launcher))
        host.wait_until_started("mirror")
        return host

    def expect_service(self, host):
        with RawSocket(host.port) as client:
            client.upgrade(host.path + "?subscribe=signal:vcp")
            for _ in ("connected", "subscribed"):
                client.receive()
            for number in range(1, 101):
                self.assertEqual(host.publish("signal:vcp", {"type": "x"})[0], 200)
                self.assertEqual(json.loads(client.receive()[1])["seq"], number)

    def test_without_io_uring_the_others_are_served_by_sendmsg(self):
        for flush, level in (("auto", "info"), ("io_uring", "warning")):
            for call in ("setup", "enter"):
                with self.subTest(flush=flush, call=call):
                    host = self.start(flush, WITHOUT_IO_URING, call)
                    found = host.wait_for_line(LINE.format(call))
                    self.assertEqual(found.group(1), level)
                    self.expect_service(host)
                    self.assertEqual(host.log().count("server.flush"), 1)

    def test_sendmsg_asks_for_no_ring(self):
        host = self.start("sendmsg", WITHOUT_IO_URING, "setup")
        self.expect_service(host)
        self.assertNotIn("server.flush", host.log())


if __name__ == "__main__":
    unittest.main()

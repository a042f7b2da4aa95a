"""The Kiwoom stand-in as a child process: tests/support/kiwoom/stand_in.hpp says what it can be told."""

import json
import os
import queue
import tempfile

from process import DEADLINE, Process

PROGRAM = os.environ.get("BROADCAST_KIWOOM_STAND_IN")  # set by ctest
APP_KEY, SECRET_KEY = "the-app-key-0123", "the-secret-key-4567"


class KiwoomStandIn(Process):
    """`with KiwoomStandIn() as kiwoom:` it takes connections when the block begins."""

    def __init__(self, program=None, launcher=()):
        self._directory = tempfile.TemporaryDirectory(prefix="broadcast-kiwoom-")
        self._answers = queue.Queue()
        super().__init__(*launcher, program or PROGRAM, self._directory.name)

    def __enter__(self):
        self.port = json.loads(self._next())["port"]
        self.control("set", secret=SECRET_KEY)
        return self

    def __exit__(self, *error):
        self.kill()
        self._directory.cleanup()

    def _take(self, line):
        self._answers.put(line)  # not kept: a soak has many

    def _next(self):
        try:
            return self._answers.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"the stand-in does not answer within {DEADLINE:.0f} s") from None

    def control(self, what, **how):
        """Its stats once that is done."""
        self.say(json.dumps({"do": what, **how}))
        stats = json.loads(self._next())
        assert "error" not in stats, stats
        return stats

    def stats(self):
        return self.control("stats")

    def wait(self, stat, at_least):
        return self.control("wait", stat=stat, at_least=at_least)

    def source(self, kind, **more):
        """An entry of `sources:`."""
        return {"type": kind, "app_key": APP_KEY, "secret_key": SECRET_KEY, "rest_url": f"https://localhost:{self.port}",
                "ws_url": f"wss://localhost:{self.port}/api/dostk/websocket",
                "ca": os.path.join(self._directory.name, "ca.pem"), **more}

"""conformance-echo on a free port."""

import os

from process import Process


class Echo(Process):
    """`with Echo() as echo:` listening when the block begins."""

    def __init__(self, *arguments):
        flush = os.environ.get("BROADCAST_FLUSH", "auto")
        super().__init__(os.environ["BROADCAST_ECHO"], "--port", "0", "--flush", flush, *arguments)

    def __enter__(self):
        try:
            self.port = int(self.wait_for_line(r"listening on ws://127\.0\.0\.1:(\d+)/").group(1))
        except BaseException:
            self.kill()
            raise
        return self

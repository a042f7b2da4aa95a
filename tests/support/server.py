"""A real server of one's own: on a free port of this machine, in a temporary directory, gone with the test."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`with` one: it answers when the block begins. A subclass starts it: `start()` sets `_server`."""

    def __init__(self, name):
        self._directory = tempfile.mkdtemp(prefix=f"broadcast-{name}-")
        self.port = free_port()
        self._server = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def start(self):
        """Again, where it was, with what it kept."""
        raise NotImplementedError

    def kill(self):
        """At once, with all that it has open."""
        if self._server is not None:
            self._signal(signal.SIGKILL)
            self._server.kill()
            self._server = None

    def is_running(self):
        return self._server is not None

    @contextlib.contextmanager
    def frozen(self):
        """It takes what it is sent, and answers nothing."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _processes(self):
        """The server and its children."""
        return [self._server.pid]

    def _signal(self, number):
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

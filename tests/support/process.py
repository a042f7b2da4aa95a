"""A program under test: watched through what it prints, stopped by SIGTERM. Every wait has a
deadline, and nothing outlives the test."""

import ctypes
import os
import re
import signal
import subprocess
import threading
import time

# Seconds, for anything that must happen; generous, because sanitizers are slow.
DEADLINE = float(os.environ.get("BROADCAST_DEADLINE", "60"))


def die_with_parent():
    """[child] Killed when the test is, however that ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def run(*command):
    """To its end; output and exit code."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=DEADLINE, preexec_fn=die_with_parent, check=False)


class Process:
    """Runs from construction to kill()."""

    def __init__(self, *command, pass_fds=()):
        self._lines = []
        self._news = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, errors="replace",
                                         pass_fds=pass_fds, preexec_fn=die_with_parent)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self._process.pid

    def _read(self):
        for line in self._process.stdout:
            self._take(line.rstrip("\n"))
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _take(self, line):
        """[reader] What it prints."""
        with self._news:
            self._lines.append(line)
            self._news.notify_all()

    def log(self):
        with self._news:
            return "\n".join(self._lines)

    def line_count(self):
        """For `since` of wait_for_line()."""
        with self._news:
            return len(self._lines)

    def wait_for_line(self, pattern, since=0):
        """The first line behind the first `since`, so far or to come, that has `pattern`: the match."""
        until = time.monotonic() + DEADLINE
        seen = since
        with self._news:
            while True:
                for line in self._lines[seen:]:
                    if found := re.search(pattern, line):
                        return found
                seen = len(self._lines)
                left = until - time.monotonic()
                if self._ended or left <= 0:
                    why = "it has ended" if self._ended else f"{DEADLINE:.0f} s are over"
                    raise AssertionError(f"no line {pattern!r}, {why}:\n" + "\n".join(self._lines))
                self._news.wait(left)

    def say(self, line):
        """On its standard input."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def terminate(self):
        self._process.send_signal(signal.SIGTERM)

    def has_ended(self):
        return self._process.poll() is not None

    def wait(self):
        """The exit code, once it has ended by itself."""
        try:
            code = self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {DEADLINE:.0f} s:\n{self.log()}") from None
        self._reader.join(DEADLINE)
        return code

    def expect_end(self):
        """It was told to stop, and ends well."""
        code = self.wait()
        if code != 0:
            raise AssertionError(f"exit code {code}:\n{self.log()}")

    def stop(self):
        self.terminate()
        self.expect_end()

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join(DEADLINE)
        self._process.stdin.close()
        self._process.stdout.close()

    def __exit__(self, *error):
        try:
            if self._process.poll() is None:
                self.stop()
        finally:
            self.kill()

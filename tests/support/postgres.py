"""A real PostgreSQL of one's own."""

import glob
import os
import shutil
import subprocess
import time

from process import DEADLINE, Process
from server import Server

BINARIES = max(glob.glob("/usr/lib/postgresql/*/bin"), default="", key=lambda path: int(path.split("/")[-2]))
USER, PASSWORD = "dashboard", "pa55/w0rd"  # a slash: it has to be written as %2F


class Postgres(Server):
    """`with Postgres() as database:` it answers when the block begins."""

    def __init__(self):
        super().__init__("postgres")
        # It refuses to run as root.
        self._as_user = [] if os.geteuid() else ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                                                 "--pdeathsig", "KILL"]
        if self._as_user:
            shutil.chown(self._directory, "postgres", "postgres")
        secret = os.path.join(self._directory, "secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write(PASSWORD)
        os.chmod(secret, 0o644)
        self._run("initdb", "--pgdata", self._data(), "--username", USER, "--pwfile", secret, "--auth", "scram-sha-256",
                  "--encoding", "UTF8", "--no-locale", "--no-sync")

    def _data(self):
        return os.path.join(self._directory, "data")

    def _run(self, program, *arguments, **how):
        ended = subprocess.run([*self._as_user, os.path.join(BINARIES, program), *arguments], cwd=self._directory,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE,
                               check=False, **how)
        if ended.returncode != 0:
            raise RuntimeError(f"{program}: {ended.stdout}")
        return ended.stdout

    def url(self, password=PASSWORD):
        return f"postgresql://{USER}:{password.replace('/', '%2F')}@127.0.0.1:{self.port}/postgres"

    def start(self):
        """Again, where it was; what a killed one left may take a moment to go."""
        until = time.monotonic() + DEADLINE
        while True:
            self._server = Process(*self._as_user, os.path.join(BINARIES, "postgres"), "-D", self._data(), "-p",
                                   str(self.port), "-k", self._directory, "-c", "listen_addresses=127.0.0.1",
                                   "-c", "fsync=off", "-c", "max_connections=10", "-c", "shared_buffers=16MB")
            try:
                self._server.wait_for_line("ready to accept connections")
                return
            except AssertionError:
                self._server.kill()
                if time.monotonic() > until:
                    raise

    def sql(self, statements):
        return self._run("psql", "--host", "127.0.0.1", "--port", str(self.port), "--username", USER, "--dbname",
                         "postgres", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", statements,
                         env={**os.environ, "PGPASSWORD": PASSWORD})

    def _processes(self):
        server = self._server.pid
        found = subprocess.run(["ps", "--no-headers", "-o", "pid", "--ppid", str(server)], stdout=subprocess.PIPE,
                               text=True, check=False).stdout.split()
        return [server, *map(int, found)]

"""Stands between a client and a server on this machine and cuts what the server says at a byte."""

import contextlib
import socket
import threading


class CuttingProxy:
    """`with CuttingProxy(port) as proxy:` passes everything on; `cut_after(n)`: n more bytes of the server's answers, to
    all connections together, then all of them are closed; new ones pass everything again."""

    def __init__(self, to_port):
        self._to_port = to_port
        self._lock = threading.Lock()
        self._left = None
        self._open = set()
        self._cuts = threading.Semaphore(0)

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error):
        # A thread in accept() does not see its socket closed.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close_all()

    def cut_after(self, count):
        with self._lock:
            self._left = count

    def wait_for_cut(self, deadline):
        if not self._cuts.acquire(timeout=deadline):
            raise AssertionError("nothing was cut")

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to_port))
                with self._lock:
                    self._open |= {client, server}
                threading.Thread(target=self._pass, args=(client, server, lambda data: data), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, self._measured), daemon=True).start()

    def _pass(self, source, target, measured):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                passed = measured(data)
                target.sendall(passed)
                if passed is not data:
                    self._close_all()
                    self._cuts.release()
                    return
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _measured(self, data):
        with self._lock:
            if self._left is None or self._left > len(data):
                if self._left is not None:
                    self._left -= len(data)
                return data
            cut, self._left = data[:self._left], None
            return bytearray(cut)

    def _close_all(self):
        with self._lock:
            sockets, self._open = self._open, set()
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

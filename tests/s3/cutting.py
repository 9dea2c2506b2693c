"""A door before an S3 server that breaks off in the middle of an answer, as a killed one does."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from lakehouse.runtime.server import LOOPBACK

HEAD_END = b"\r\n\r\n"
CHUNK_BYTES = 1 << 16


class CuttingDoor(ThreadingTCPServer):
    """Passes everything on, but breaks off in the next ``to_cut`` answers to a GET."""

    daemon_threads = True

    def __init__(self, store_port: int) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.store_port, self.to_cut, self._one = store_port, 0, threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def takes_cut(self) -> bool:
        """Whether an answer is to be broken off, which then counts."""
        with self._one:
            is_due = self.to_cut > 0
            self.to_cut -= is_due
            return is_due


class _Connection(BaseRequestHandler):
    server: CuttingDoor
    request: socket.socket

    def handle(self) -> None:
        self.is_read = False
        with suppress(OSError), socket.create_connection((LOOPBACK, self.server.store_port)) as to:
            asking = threading.Thread(target=self._ask, args=(to,), daemon=True)
            asking.start()
            self._answer(to)
            self.request.shutdown(socket.SHUT_RDWR)
            to.shutdown(socket.SHUT_RDWR)

    def _ask(self, store: socket.socket) -> None:
        with suppress(OSError):
            while sent := self.request.recv(CHUNK_BYTES):
                self.is_read = sent.startswith(b"GET ")
                store.sendall(sent)
            store.shutdown(socket.SHUT_WR)

    def _answer(self, store: socket.socket) -> None:
        while answer := store.recv(CHUNK_BYTES):
            if self.is_read and answer.startswith(b"HTTP/1.1 20"):
                if answer.endswith(HEAD_END):
                    answer += store.recv(CHUNK_BYTES)  # something of the body
                if self.server.takes_cut():
                    self.request.sendall(answer[:-1])
                    return
            self.request.sendall(answer)


@contextmanager
def cutting_door(store_port: int) -> Iterator[CuttingDoor]:
    """Have one before the store on this port."""
    with CuttingDoor(store_port) as door:
        thread = threading.Thread(target=door.serve_forever, name="cutting door")
        thread.start()
        try:
            yield door
        finally:
            door.shutdown()
            thread.join()

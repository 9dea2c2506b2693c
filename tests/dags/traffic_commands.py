"""Our own commands on a socket, each in a fork of this process.

What they import takes ten CPU-seconds, here only once. Who asks, `warm_traffic.py`, hands over its
three standard files, and says how it was called; the answer is the exit code.
"""

import json
import os
import socket
import sys
from contextlib import suppress
from socketserver import ForkingMixIn, StreamRequestHandler, UnixStreamServer

import tests.chaos.warm  # noqa: F401  (for what it imports)
from lakehouse.cli import main


class Command(StreamRequestHandler):
    """One command, as if its asker had run it."""

    def handle(self) -> None:
        """Run it."""
        _, files, _, _ = socket.recv_fds(self.connection, 1, 3)
        called = json.loads(self.rfile.readline())
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(called["environment"])
        os.chdir(called["folder"])
        sys.argv = ["traffic", *called["arguments"]]
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        with suppress(BrokenPipeError):  # it was ended meanwhile
            self.wfile.write(str(code or 0).encode())


class Commands(ForkingMixIn, UnixStreamServer):
    """Where they are asked for."""

    request_queue_size = 16


if __name__ == "__main__":
    with Commands(sys.argv[1], Command) as server:
        server.serve_forever()

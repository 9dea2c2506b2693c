"""Says who holds a port that a server needs."""

import socket
import time

import psutil

from lakehouse.runtime.server import LOOPBACK
from specs.errors import Unavailable

DYING_SECONDS, POLL_SECONDS = 2.0, 0.05


def check_port_is_free(port: int, name: str) -> None:
    """Make sure that a server could listen on this loopback port.

    A process that was killed may hold it for moments after it counts as dead, so a port that nobody
    is seen to listen on is tried again.

    Args:
        port: the port.
        name: the server that needs it.

    Raises:
        Unavailable: something else listens there; the message says what, where the system tells.
    """
    deadline = time.monotonic() + DYING_SECONDS
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not held by closed ones
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                holder = _holder(port)
                if holder or time.monotonic() > deadline:
                    raise Unavailable(
                        f"{name} cannot listen on port {port}: {error.strerror}{holder}; stop that,"
                        f" or set TRAFFIC_{name.upper()}_PORT to another port (0 for any)"
                    ) from error
            else:
                return
        time.sleep(POLL_SECONDS)


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens_here = connection.laddr[1:2] == (port,)
            if listens_here and connection.status == psutil.CONN_LISTEN and connection.pid:
                process = psutil.Process(connection.pid)
                return f" by {process.name()} (pid {process.pid})"
    except psutil.Error:  # the system does not tell, or the process ended
        pass
    return ""

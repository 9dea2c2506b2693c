"""Says who holds a port that a server needs."""

import socket

import psutil

from lakehouse.runtime.server import LOOPBACK
from specs.errors import Unavailable


def check_port_is_free(port: int, name: str) -> None:
    """Make sure that a server could listen on this loopback port.

    Args:
        port: the port.
        name: the server that needs it.

    Raises:
        Unavailable: something else listens there; the message says what, where the system tells.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not held by closed sockets
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise Unavailable(
                f"{name} cannot listen on port {port}: {error.strerror}{_holder(port)};"
                f" stop that, or set TRAFFIC_{name.upper()}_PORT to another port (0 for any)"
            ) from error


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

"""What the runtime knows of a server: some data and four functions, no class of its own."""

import http.client
import random
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lakehouse.settings import Settings

LOOPBACK = "127.0.0.1"
"""The only interface an embedded server listens on."""

NEVER_EPHEMERAL = (20_000, 32_000)
"""Ports below those that Linux gives to connections (`net.ipv4.ip_local_port_range`)."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What to execute: the whole argument list and the whole environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    endpoint: str | None = None
    """What clients connect to, where it depends on the configuration; else the server's own."""


def _nothing(_settings: Settings, _endpoint: str) -> None:
    """Most servers are ready once they answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server that ``traffic up`` can start."""

    name: str
    """Names its record, its log and its port's variable, ``TRAFFIC_<NAME>_PORT``."""

    endpoint: str
    """What its clients connect to, with ``{port}`` where the port goes."""

    port: Callable[[Settings], int]
    """The port to listen on; 0 for any free one."""

    prepare: Callable[[Settings, int], Launch]
    """Have everything in place (downloads, configuration, an empty store) and say how to launch
    it on the given port. Repeating it changes nothing."""

    answers: Callable[[int], bool]
    """Whether a server on the given port does what its clients need; never raises."""

    start_seconds: float = 120.0
    """How long a start may take on a slow, busy machine."""

    is_job: bool = False
    """A process of ours that needs the servers: started once they answer, ended before them."""

    settle: Callable[[Settings, str], None] = _nothing
    """Bring what the server holds up to date once it answers at the given endpoint, at every
    ``traffic up``. Repeating it changes nothing."""


def free_port() -> int:
    """Return a loopback port that nothing listens on, and that no connection is given by itself.

    One that is may be taken before its server listens, or while it is down, even by the very client
    that tries to reach it: TCP then connects it to itself.
    """
    draw = random.Random()  # noqa: S311  (nothing hangs on its being guessed)
    while True:
        port = draw.randrange(*NEVER_EPHEMERAL)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def accepts(port: int) -> bool:
    """Return whether something accepts TCP connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def answers_ok(port: int, path: str, seconds: float) -> bool:
    """Return whether an HTTP server on this loopback port answers ``path`` with 200 in time."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

"""Runs the API: where it listens, who may ask, how it ends."""

import socket
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from lakehouse.collector import passing_over_what_is_loaded
from lakehouse.metrics import Metrics
from lakehouse.metrics.endpoint import exposed
from lakehouse.serving.app import create_app
from lakehouse.serving.follower import Follower
from lakehouse.serving.guard import Door, is_loopback
from lakehouse.serving.keys import KeyStore
from lakehouse.serving.rate_limit import RateLimit
from lakehouse.settings import Settings
from specs.errors import Unavailable, WrongInput
from specs.loader import Specs

GOODBYE_SECONDS = 5
MAX_CONNECTIONS = 1000


@dataclass(frozen=True)
class Listening:
    """Where and under which conditions the API listens.

    Attributes:
        host: address.
        port: port; 0 takes a free one.
        needs_key: every request for data carries a key.
        certificate: of TLS, with its key; None for plain HTTP.
    """

    host: str
    port: int
    needs_key: bool
    certificate: tuple[Path, Path] | None

    @property
    def url(self) -> str:
        """Address of the live map."""
        scheme = "https" if self.certificate else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/"


def listening(settings: Settings, keys: KeyStore) -> Listening:
    """Decide from ``settings``: off loopback a key and TLS are not a choice.

    Raises:
        WrongInput: off loopback there is no key yet, or neither TLS nor a proxy that ends it.
    """
    local = is_loopback(settings.api_host)
    certificate = None
    if settings.api_tls_certificate and settings.api_tls_key:
        certificate = (settings.api_tls_certificate, settings.api_tls_key)
    elif settings.api_tls_certificate or settings.api_tls_key:
        raise WrongInput("set both TRAFFIC_API_TLS_CERTIFICATE and TRAFFIC_API_TLS_KEY")
    needs_key = settings.api_require_key or not local
    if not local and certificate is None and not settings.api_behind_proxy:
        raise WrongInput(
            f"{settings.api_host} is not loopback, and keys must not travel in the clear: set"
            " TRAFFIC_API_TLS_CERTIFICATE and TRAFFIC_API_TLS_KEY, or TRAFFIC_API_BEHIND_PROXY=true"
            " where a proxy ends TLS"
        )
    if needs_key and not keys.keys():
        raise WrongInput("a key is asked for and there is none; `traffic api-key create NAME`")
    return Listening(settings.api_host, settings.api_port, needs_key, certificate)


class _Server(uvicorn.Server):
    """Says when it listens; asked to end, it ends live connections too."""

    def __init__(self, config: uvicorn.Config, follower: Follower, told: str) -> None:
        super().__init__(config)
        self._follower, self._told = follower, told

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._told, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._follower.end()
        super().handle_exit(sig, frame)


def serve(settings: Settings, specs: Specs) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        WrongInput: as `listening`.
        Unavailable: the port is taken, or a TLS file cannot be read.
    """
    keys = KeyStore(settings.api_keys)
    where, limits = listening(settings, keys), specs.ops.serving
    follower = Follower(limits.stale_seconds, limits.ready_answers)
    follow = partial(follower.run, settings.lake, settings.api_poll_seconds)
    rate = RateLimit(
        limits.requests_per_second, limits.burst_requests, limits.max_clients, time.monotonic
    )
    door = Door(
        keys, where.needs_key, is_loopback(where.host) and not settings.api_behind_proxy, rate
    )
    metrics = Metrics(specs.ops, "api")
    config = uvicorn.Config(
        create_app(specs, follower, follow, door, metrics),
        host=where.host, port=where.port, log_level="warning", access_log=False,
        http="httptools", server_header=False, date_header=True, proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS, timeout_graceful_shutdown=GOODBYE_SECONDS,
        **_tls(where),
    )  # fmt: skip
    try:
        bound = config.bind_socket()
    except SystemExit as error:
        raise Unavailable(
            f"cannot listen on {where.host}:{where.port}; set TRAFFIC_API_PORT to a free port"
        ) from error
    where = replace(where, port=bound.getsockname()[1])
    keys_are = "with a key" if where.needs_key else "without a key, on this machine only"
    told = f"live map and API at {where.url} ({keys_are})"
    with (
        passing_over_what_is_loaded(),
        exposed(
            metrics, "api", port=settings.metrics_port, targets=settings.targets,
            host=settings.metrics_host,
        ),
    ):  # fmt: skip
        _Server(config, follower, told).run(sockets=[bound])


def _tls(where: Listening) -> dict[str, Any]:
    if where.certificate is None:
        return {}
    certificate, key = (str(path) for path in where.certificate)
    return {"ssl_certfile": certificate, "ssl_keyfile": key}

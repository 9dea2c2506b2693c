"""Stands before every request: who asks, how often, and what a browser may do with the answer."""

import ipaddress
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakehouse.journal import now
from lakehouse.metrics import Metrics
from lakehouse.serving.keys import KeyStore
from lakehouse.serving.problems import problem
from lakehouse.serving.rate_limit import RateLimit
from specs.errors import Unavailable

log = logging.getLogger(__name__)
OPEN_PATHS = {"/", "/healthz", "/readyz", "/openapi.json"}
OPEN_FOLDER = "/static/"
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}
LIVE_ROUTE = "/events"
MAX_QUERY_BYTES = 4096
"""All parameters at their longest are a quarter of it."""

DEFAULT_HEADERS = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        b" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-cache",
}


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Door:
    """Who is let in.

    Attributes:
        keys: the keys that open.
        needs_key: every request for data carries one.
        only_loopback_names: the name asked for must be one of this machine's own, so that a page
            of another site cannot reach the API by pointing its name at 127.0.0.1.
        rate: requests of one client.
    """

    keys: KeyStore
    needs_key: bool
    only_loopback_names: bool
    rate: RateLimit


class Guard:
    """ASGI middleware: door, rate limit, security headers, latency."""

    def __init__(self, app: ASGIApp, door: Door, metrics: Metrics) -> None:
        """Stand before ``app``."""
        self._app, self._door, self._metrics = app, door, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                missing = (pair for pair in DEFAULT_HEADERS.items() if pair[0] not in given)
                message["headers"] = [*message["headers"], *missing]
            await send(message)

        refusal = self._refusal(Request(scope))
        try:
            await (refusal or self._app)(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            if route != LIVE_ROUTE:
                self._metrics.observe(
                    "traffic_api_request_duration_seconds", time.perf_counter() - began,
                    route=route, status=status,
                )  # fmt: skip

    def _refusal(
        self, request: Request
    ) -> Callable[[Scope, Receive, Send], Awaitable[None]] | None:
        door, headers = self._door, request.headers
        name = (
            headers.get("host", "").rpartition(":")[0]
            if _has_port(headers)
            else headers.get("host", "")
        )
        if door.only_loopback_names and name.lower() not in LOOPBACK_NAMES:
            return problem(421, f"this API listens on loopback; ask for {sorted(LOOPBACK_NAMES)}")
        if len(request.scope["query_string"]) > MAX_QUERY_BYTES:
            return problem(414, f"the query may have {MAX_QUERY_BYTES} bytes")
        client = request.client.host if request.client else "unknown"
        is_open = request.url.path in OPEN_PATHS or request.url.path.startswith(OPEN_FOLDER)
        if door.needs_key and not is_open:
            scheme, _, text = headers.get("authorization", "").partition(" ")
            given = text.strip() if scheme.lower() == "bearer" else ""
            try:
                key = door.keys.verify(given, at=now())
            except Unavailable as error:
                log.error("no key can be checked: %s", error)
                return self._limited(client) or problem(
                    503, "keys cannot be checked now; the API's log says why"
                )
            if key is None:
                return self._limited(client) or problem(
                    401, "send `Authorization: Bearer KEY`; `traffic api-key create` makes one",
                    headers={"WWW-Authenticate": 'Bearer realm="traffic"'},
                )  # fmt: skip
            client = f"key {key.id}"
        return self._limited(client)

    def _limited(self, client: str) -> Response | None:
        wait = self._door.rate.wait_seconds(client)
        if not wait:
            return None
        seconds = str(math.ceil(wait))
        return problem(
            429, f"too many requests; wait {seconds} s", headers={"Retry-After": seconds}
        )


def _has_port(headers: Headers) -> bool:
    host = headers.get("host", "")
    return ":" in host and not host.endswith("]")

"""Freshness, health, metrics, live updates and the page itself."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from lakehouse.metrics import MEDIA_TYPE
from lakehouse.serving.openapi import REFUSALS
from lakehouse.serving.problems import documented, problem
from lakehouse.serving.rows import Row, Status
from lakehouse.serving.service import Service

STATIC = Path(__file__).parent / "static"
Responses = dict[int | str, dict[str, Any]]
NEVER_KEPT = {"Cache-Control": "no-store"}


class Health(Row):
    """The process answers."""

    status: str


def live_router(service: Service) -> APIRouter:
    """Routes about the API and the state it serves."""
    router, limits = APIRouter(tags=["live"]), service.specs.ops.serving

    @router.get("/", include_in_schema=False)
    async def live_map() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @router.get("/status", response_model=Status, responses=documented(*REFUSALS))
    async def status() -> Response:
        """How old the data is, and which state of the tables is served."""
        told = service.status(service.follower.snapshot)
        return Response(told.model_dump_json(), headers=NEVER_KEPT, media_type="application/json")

    @router.get("/healthz", response_model=Health, responses=documented(414, 421, 429))
    async def healthz() -> Health:
        """The process answers."""
        return Health(status="ok")

    @router.get("/readyz", response_model=Health, responses=documented(414, 421, 429, 503))
    async def readyz() -> Health:
        """There is data, and new commits are being looked for."""
        service.follower.check_ready()
        return Health(status="ready")

    metrics: Responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @router.get("/metrics", response_class=Response, responses=metrics | documented(*REFUSALS[:-1]))
    async def prometheus() -> Response:
        """Latency and freshness of the API, for Prometheus."""
        return Response(service.metrics.text(), media_type=MEDIA_TYPE)

    streamed: Responses = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}

    @router.get("/events", response_class=Response, responses=streamed | documented(*REFUSALS))
    async def events(request: Request) -> Response:
        """Server-sent events: `status` now and after every commit, with what `/status` gives."""
        if service.streams >= limits.max_streams:
            return problem(
                503, f"{limits.max_streams} live connections are open already; try again later",
                headers={"Retry-After": str(round(limits.heartbeat_seconds))},
            )  # fmt: skip
        headers = NEVER_KEPT | {"X-Accel-Buffering": "no"}
        return StreamingResponse(lines(), headers=headers, media_type="text/event-stream")

    async def lines() -> AsyncIterator[str]:
        service.streams += 1
        try:
            async for snapshot in service.follower.news(limits.heartbeat_seconds):
                if snapshot is None:
                    yield ": still here\n\n"
                else:
                    yield f"event: status\ndata: {service.status(snapshot).model_dump_json()}\n\n"
        finally:
            service.streams -= 1

    return router

"""The web application, put together."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

from lakehouse.metrics import Metrics
from lakehouse.serving import openapi, problems
from lakehouse.serving.follower import Follower
from lakehouse.serving.guard import Door, Guard
from lakehouse.serving.history_routes import history_router
from lakehouse.serving.live_routes import STATIC, live_router
from lakehouse.serving.questions import questions
from lakehouse.serving.ready import Ready
from lakehouse.serving.segment_routes import segment_router
from lakehouse.serving.service import Service
from specs.loader import Specs

log = logging.getLogger(__name__)


def create_app(
    specs: Specs,
    follower: Follower,
    follow: Callable[[], Coroutine[None, None, None]],
    door: Door,
    metrics: Metrics,
) -> FastAPI:
    """Build the API and the live map.

    Args:
        specs: the specs in force.
        follower: holds what is served.
        follow: has it follow the tables; runs as long as the application.
        door: who is let in.
        metrics: of this process.
    """
    service = Service(specs, follower, metrics, questions(specs))
    service.watch()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(follow())
        following.add_done_callback(_end_where_it_failed)
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    app = FastAPI(
        title="Traffic lakehouse", version=version("traffic-lakehouse"), lifespan=lifespan,
        docs_url=None, redoc_url=None,  # their pages load scripts from other hosts
    )  # fmt: skip
    routers = (live_router(service), segment_router(service), history_router(service))
    for router in routers:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    problems.install(app)
    openapi.install(app, needs_key=door.needs_key)
    kept = {
        route.path: route for router in routers for route in router.routes
        if isinstance(route, APIRoute)
    }  # fmt: skip
    app.add_middleware(Ready, service=service, routes=kept)
    app.add_middleware(Guard, door=door, metrics=metrics)
    return app


def _end_where_it_failed(following: asyncio.Task[None]) -> None:
    """A server that has stopped following would give old answers for ever."""
    if not following.cancelled():
        log.error("the API no longer follows the tables, and ends", exc_info=following.exception())
        signal.raise_signal(signal.SIGTERM)

"""Sends what is kept at once, without the way through routes and questions."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from lakehouse.serving.answers import question_of
from lakehouse.serving.service import Service


class Ready:
    """ASGI middleware before the routes: answers what was asked of this snapshot before.

    A question is kept only after its route has found it right, so there is nothing left to check.
    """

    def __init__(self, app: ASGIApp, service: Service, routes: Mapping[str, BaseRoute]) -> None:
        """Stand before ``app``, for these of its paths."""
        self._app, self._service, self._routes = app, service, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        await (self._answer(scope) or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        route, shown = self._routes.get(scope["path"]), self._service.follower.shown
        if route is None or shown is None:
            return None
        found = shown.kept.get(question_of(scope))
        if found is None:
            return None
        scope["route"] = route
        return self._service.response(found, Headers(scope=scope))

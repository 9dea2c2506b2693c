"""Errors as `application/problem+json` (RFC 9457)."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from specs.errors import Unavailable, WrongInput

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
log = logging.getLogger(__name__)


class Fault(BaseModel):
    """What is wrong with one parameter."""

    where: str = Field(description="query, path or header.")
    name: str = Field(description="Parameter.")
    detail: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Always about:blank: the status says what kind it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What happened and what to do.")
    errors: list[Fault] = Field(default=[], description="One a wrong parameter.")


def problem(
    status: int, detail: str, *, errors: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """Answer with an error."""
    body = Problem(
        type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail,
        errors=errors or [],
    )  # fmt: skip
    content = json.dumps(body.model_dump())  # escapes what is no valid Unicode
    return Response(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of these errors."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def _fault(error: Mapping[str, Any]) -> Fault:
    where, *names = (str(part) for part in error["loc"])
    return Fault(where=where, name=".".join(names), detail=str(error["msg"]))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (that is what it is for)
    faults = [_fault(found) for found in error.errors()]
    names = ", ".join(sorted({fault.name for fault in faults}))
    return problem(422, f"these parameters are wrong: {names}", errors=faults)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _wrong_input(_request: Request, error: Exception) -> Response:
    return problem(422, str(error))


async def _unavailable(_request: Request, error: Exception) -> Response:
    return problem(503, str(error), headers={"Retry-After": str(RETRY_SECONDS)})


async def _bug(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "this is a bug; the server's log has the details")


def install(app: FastAPI) -> None:
    """Have every error of ``app`` answered this way."""
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(WrongInput, _wrong_input)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(Exception, _bug)

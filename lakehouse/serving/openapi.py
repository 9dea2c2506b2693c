"""What the OpenAPI document says beyond the routes' own types: errors, formats, examples, keys."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from lakehouse.serving.problems import Problem, documented

DESCRIPTION = """Congestion of every road segment now and in the next hour, from the lake's newest
complete batch. Answers carry an ETag and `Data-Age-Seconds`: how old the newest reading shown is.
Errors are `application/problem+json`. Where keys are asked for, send `Authorization: Bearer KEY`.
Pages link to the next one with `next`."""

REFUSALS = (401, 414, 421, 422, 429, 503)


def answers(
    model: type, *, also: str | None = None, statuses: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Keyword arguments of a route that gives ``model``, and with ``also`` a second media type."""
    content: dict[str, Any] = {}
    if also is not None:
        content = {
            "content": {also: {"schema": {"$ref": "#/components/schemas/FeatureCollection"}}}
        }
    return {
        "response_model": model,
        "responses": {
            200: content,
            304: {"description": "Not changed since the ETag sent."},
            **documented(*REFUSALS, *statuses),
        },
    }


FEATURE_COLLECTION: dict[str, Any] = {
    "title": "FeatureCollection",
    "description": "GeoJSON (RFC 7946) with the members of a page.",
    "type": "object",
    "required": ["type", "features", "as_of", "next"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "as_of": {"$ref": "#/components/schemas/AsOf"},
        "next": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "features": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "id", "geometry", "properties"],
                "properties": {
                    "type": {"const": "Feature"},
                    "id": {"type": "string"},
                    "geometry": {"anyOf": [{"type": "object"}, {"type": "null"}]},
                    "properties": {"type": "object"},
                },
            },
        },
    },
}


def install(app: FastAPI, *, needs_key: bool) -> None:
    """Complete the document of ``app``."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, needs_key=needs_key)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI, *, needs_key: bool) -> dict[str, Any]:
    made = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    schemas = made["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas |= {"Problem": problem, "FeatureCollection": FEATURE_COLLECTION}
    if needs_key:
        made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"key": []}]
    return made

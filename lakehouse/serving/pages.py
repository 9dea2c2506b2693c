"""Answers as bytes: pages of rows, GeoJSON, ETags, and the answers kept until the next commit."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
from fastapi import Request, Response
from pydantic_core import to_json

from lakehouse.serving.rows import AsOf
from lakehouse.serving.snapshot import Road, Snapshot

JSON, GEOJSON = "application/json", "application/geo+json"


@dataclass(frozen=True)
class Body:
    """An answer, ready to be sent."""

    content: bytes
    media_type: str
    etag: str


def body(value: Any, media_type: str = JSON) -> Body:
    """``value`` as JSON; a number that JSON lacks becomes null."""
    content = to_json(value, inf_nan_mode="null")
    digest = hashlib.sha256(content).hexdigest()[:32]
    return Body(content, media_type, f'"{digest}"')


def page(as_of: AsOf, items: Sequence[Any], next_address: str | None) -> Body:
    """A page of ``items``."""
    return body({"as_of": as_of, "next": next_address, "items": items})


def _feature(segment_id: str, road: Road, properties: Any) -> dict[str, Any]:
    points = [[point["lon"], point["lat"]] for point in road.row["polyline"] or ()]
    geometry: dict[str, Any] | None = None
    if len(points) > 1:
        geometry = {"type": "LineString", "coordinates": points}
    elif points:
        geometry = {"type": "Point", "coordinates": points[0]}
    return {"type": "Feature", "id": segment_id, "geometry": geometry, "properties": properties}


def geojson(as_of: AsOf, found: Iterable[tuple[str, Road, Any]], next_address: str | None) -> Body:
    """A FeatureCollection (RFC 7946) of segment id, road and properties."""
    features = [_feature(*one) for one in found]
    return body(
        {"type": "FeatureCollection", "as_of": as_of, "next": next_address, "features": features},
        GEOJSON,
    )


def address(request: Request, **changes: str) -> str:
    """The address of this request with other parameters, without host."""
    asked = dict(request.query_params) | changes
    return f"{request.url.path}?{urlencode(asked)}"


def cut(rows: pa.Table, limit: int) -> tuple[pa.Table, Any]:
    """First ``limit`` rows, but windows whole, and the start of the first window left out.

    Args:
        rows: sorted by ``window_start``.
        limit: a first window of more rows is given whole all the same.
    """
    if rows.num_rows <= limit:
        return rows, None
    starts = rows["window_start"].to_pylist()
    boundary = starts[limit]
    end = next(index for index, start in enumerate(starts) if start == boundary)
    if end == 0:
        later = (index for index, start in enumerate(starts) if start != boundary)
        end = next(later, len(starts))
    return rows.slice(0, end), starts[end] if end < len(starts) else None


class Kept:
    """Answers of the newest snapshot, up to a number of bytes; the oldest go first."""

    def __init__(self, max_bytes: int) -> None:
        """Keep nothing yet."""
        self._max_bytes, self._bytes = max_bytes, 0
        self._of: Snapshot | None = None
        self._bodies: OrderedDict[str, Body] = OrderedDict()

    def get(self, snapshot: Snapshot, question: str) -> Body | None:
        """The answer to ``question`` from ``snapshot``, if it is here."""
        return self._bodies.get(question) if self._of is snapshot else None

    def put(self, snapshot: Snapshot, question: str, answer: Body) -> None:
        """Keep an answer; those of another snapshot go."""
        if self._of is not snapshot:
            self._of, self._bytes = snapshot, 0
            self._bodies.clear()
        if question in self._bodies or len(answer.content) > self._max_bytes:
            return
        self._bodies[question] = answer
        self._bytes += len(answer.content)
        while self._bytes > self._max_bytes:
            _, oldest = self._bodies.popitem(last=False)
            self._bytes -= len(oldest.content)


def respond(answer: Body, if_none_match: str | None, headers: Mapping[str, str]) -> Response:
    """Send ``answer``, or 304 where the client has it."""
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    both = {**headers, "ETag": answer.etag}
    if answer.etag in tags or "*" in tags:
        return Response(status_code=304, headers=both)
    return Response(answer.content, headers=both, media_type=answer.media_type)

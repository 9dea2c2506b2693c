"""Pages of rows, and GeoJSON."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pyarrow as pa
from starlette.datastructures import URL

from lakehouse.serving.answers import GEOJSON, Body, body
from lakehouse.serving.rows import AsOf
from lakehouse.serving.snapshot import Road


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


def address(url: URL, **changes: str) -> str:
    """The address of a request with other parameters, without host."""
    asked = dict(parse_qsl(url.query, keep_blank_values=True)) | changes
    return f"{url.path}?{urlencode(asked)}"


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

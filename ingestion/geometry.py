"""Shapes of road segments: points, polylines as text, lengths on the sphere."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""

STRAY_M, STRAY_STEPS = 3000.0, 20
"""A point is astray if it is farther than both from every neighbour; steps are of median length."""

_POINT = re.compile(r"(-?\d+(?:\.(\d+))?),(-?\d+(?:\.(\d+))?)")


class Point(NamedTuple):
    """A place, WGS 84 degrees."""

    lat: float
    lon: float


def haversine_m(start: Point, end: Point) -> float:
    """Great-circle distance in metres."""
    lat_1, lat_2 = math.radians(start.lat), math.radians(end.lat)
    lon_half = math.radians(end.lon - start.lon) / 2
    chord = (
        math.sin((lat_2 - lat_1) / 2) ** 2
        + math.cos(lat_1) * math.cos(lat_2) * math.sin(lon_half) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def length_m(points: Sequence[Point]) -> float:
    """Length along ``points`` in metres; 0 for fewer than two."""
    return sum(haversine_m(start, end) for start, end in pairwise(points))


def parse_polyline(text: str) -> list[Point]:
    """Points of ``lat,lon lat,lon``, without the broken ones.

    Some publishers cut the text off at a fixed length, in the middle of a number. Dropped are
    points that are not two numbers on the globe, and a last point whose latitude or longitude
    has fewer decimals than every point before it: ``-73.9`` after ``-73.93661`` is a cut number,
    kilometres away from the road. Others mistype a digit: dropped are points that are kilometres
    away from all neighbours where the rest of the line goes in small steps.
    """
    points: list[Point] = []
    decimals: list[int] = []
    for token in text.split():
        match = _POINT.fullmatch(token)
        if match is None:
            continue
        point = Point(float(match[1]), float(match[3]))
        if abs(point.lat) <= 90 and abs(point.lon) <= 180:
            points.append(point)
            decimals.append(min(len(match[2] or ""), len(match[4] or "")))
    if len(points) > 1 and decimals[-1] < min(decimals[:-1]):
        points.pop()
    return _without_strays(points)


def _without_strays(points: list[Point]) -> list[Point]:
    steps = [haversine_m(start, end) for start, end in pairwise(points)]
    if len(steps) < 3:
        return points
    far = max(STRAY_M, STRAY_STEPS * median_low(steps))
    is_far = [step > far for step in steps]
    return [
        point for index, point in enumerate(points)
        if not all(is_far[max(index - 1, 0) : index + 1])
    ]  # fmt: skip

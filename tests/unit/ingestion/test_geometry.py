"""Points, polylines and lengths."""

import pytest

from ingestion.geometry import Point, haversine_m, length_m, parse_polyline


def test_a_degree_of_latitude_is_111_km() -> None:
    # 6 371 008.8 m * pi / 180 = 111 195.08 m
    assert haversine_m(Point(0, 0), Point(1, 0)) == pytest.approx(111_195.08, abs=0.01)


def test_a_degree_of_longitude_at_60_degrees_is_half_as_long() -> None:
    assert haversine_m(Point(60, 0), Point(60, 0.001)) == pytest.approx(55.5975, abs=1e-3)


def test_the_length_of_a_polyline_is_the_sum_of_its_parts() -> None:
    assert length_m([Point(0, 0), Point(0.5, 0), Point(1, 0)]) == pytest.approx(
        111_195.08, abs=0.01
    )
    assert length_m([Point(0, 0)]) == 0


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("40.71,-73.93 40.72,-73.94", [(40.71, -73.93), (40.72, -73.94)]),
        ("40.71,-73.93 40.72,-73.94 40.7", [(40.71, -73.93), (40.72, -73.94)]),
        ("40.71,-73.93 40.72,-73.94 40.73,-", [(40.71, -73.93), (40.72, -73.94)]),
        ("40.71,-73.93 40.72,-73.94 40.73,-73.9", [(40.71, -73.93), (40.72, -73.94)]),
        ("40.71,-73.93 40.72,-73.94 40.73,-7", [(40.71, -73.93), (40.72, -73.94)]),
        ("40.71,-73.93 400.72,-73.94 40.73,-73.95", [(40.71, -73.93), (40.73, -73.95)]),
        (
            "40.701,-73.9 40.702,-73.9 40.760,-73.9 40.703,-73.9 40.704,-73.9",
            [(40.701, -73.9), (40.702, -73.9), (40.703, -73.9), (40.704, -73.9)],
        ),
        (
            "40.801,-73.9 40.802,-73.9 40.803,-73.9 40.870,-73.9",
            [(40.801, -73.9), (40.802, -73.9), (40.803, -73.9)],
        ),
        (
            "40.70,-73.9 40.74,-73.9 40.78,-73.9 40.82,-73.9",
            [(40.70, -73.9), (40.74, -73.9), (40.78, -73.9), (40.82, -73.9)],
        ),
        ("40.7,-73.9", [(40.7, -73.9)]),
        ("", []),
    ],
)
def test_broken_points_of_a_polyline_are_dropped(
    text: str, points: list[tuple[float, float]]
) -> None:
    assert parse_polyline(text) == points

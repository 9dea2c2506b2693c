"""What a row knows of recent days ends at a midnight, for a training row as for the stream."""

import numpy as np

from ml.recent import ObservedCells, refresh_days
from tests.unit.ml.tables import FIRST, SPECS, Cell, grid, rush_hours, segments

ROADS = segments({"a": 100.0, "b": 100.0})
DAY = FIRST // 288  # days since the Unix epoch of the tests' Monday


def test_a_midnight_serves_from_an_hour_later_on() -> None:
    windows = FIRST + np.array([0, 11, 12, 288 + 11, 288 + 12])
    assert (refresh_days(windows, 300, SPECS.ml) - DAY).tolist() == [-1, -1, 0, 0, 1]


def test_recent_days_are_the_seven_before_the_midnight() -> None:
    def level(cells: list[Cell]) -> float:
        recent = ObservedCells(grid(cells, ROADS), SPECS.ml).recent(DAY + 8)
        return float(recent.level_of("speed_ratio", ("a",), np.array([0]))[0])

    quiet = [cell for cell in rush_hours(9, "a") if cell[1] % 288 < 84]
    same = level(quiet)
    for day, is_seen in ((0, False), (1, True), (7, True), (8, False)):
        jam: list[Cell] = [
            (name, window, 20.0 if window // 288 == day else speed)
            for name, window, speed in quiet
        ]  # fmt: skip
        assert (level(jam) < same) == is_seen


def test_without_a_day_nothing_is_known() -> None:
    recent = ObservedCells(grid([("a", 0, 50.0)], ROADS), SPECS.ml).recent(DAY)
    assert np.isnan(recent.at("speed_ratio", ("a",), np.array([0]), np.array([0]))).all()
    assert np.isnan(recent.level_of("speed_ratio", ("a",), np.array([0]))).all()

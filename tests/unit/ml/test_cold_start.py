"""A city that training has never seen is scored from its first hour on."""

import math

import numpy as np
import pytest

from ml.grid import Rows
from ml.model import CongestionModel, Prediction
from ml.train import train
from tests.unit.ml.tables import FIRST, MIXED, grid, segments, silver, small_specs

pytestmark = pytest.mark.slow

NEW_CITY = segments({"x": 50.0, "y": 50.0}, source="elsewhere", zone="Europe/Copenhagen")
SEVEN = 84 - 12  # windows from Monday midnight, UTC: seven o'clock in Copenhagen
JAMMED, FREE = 0, 1


@pytest.fixture(scope="module")
def model() -> CongestionModel:
    """Has seen a city of faster roads for ten days; its jams come and go at any time of day."""
    roads = segments(dict.fromkeys("abcd", 100.0))
    waves = [
        (name, window, 60 + 40 * math.sin(window / period))
        for name, period in zip("abcd", (29, 37, 53, 71), strict=True)
        for window in range(10 * 288)
    ]
    return train(silver(waves), roads, small_specs(perceptron=MIXED)).model


def first_hours(model: CongestionModel, windows: int) -> Prediction:
    """Forecasts of two new segments whose first readings are ``windows`` old; y is not jammed."""
    cells = [
        (name, SEVEN + window, speed)
        for name, speed in (("x", 15.0), ("y", 45.0))
        for window in range(windows)
    ]
    made = grid(cells, NEW_CITY)
    return model.forecast(made, Rows(np.array([0, 1]), np.full(2, FIRST + SEVEN + windows - 1)))


@pytest.mark.parametrize("windows", [1, 3, 12])
def test_an_unseen_city_s_jam_is_told_from_its_free_roads(
    model: CongestionModel, windows: int
) -> None:
    made = first_hours(model, windows)
    assert (made.probability[JAMMED] > made.probability[FREE]).all()
    assert made.probability[JAMMED, 0] > 0.5 > made.probability[FREE, 0]


def test_its_speeds_are_over_its_own_free_flow(model: CongestionModel) -> None:
    made = first_hours(model, 12)
    assert made.speed_kmh[JAMMED, 0] < 30.0 < made.speed_kmh[FREE, 0] <= 60.0  # of 50 km/h
    assert (made.low_kmh <= made.speed_kmh).all()
    assert (made.speed_kmh <= made.high_kmh).all()


def test_before_its_first_reading_it_is_what_is_usual_elsewhere(model: CongestionModel) -> None:
    empty = grid([], NEW_CITY)
    made = model.forecast(empty, Rows(np.array([0]), np.array([FIRST + SEVEN])))
    assert np.isfinite(np.stack(made.arrays())).all()

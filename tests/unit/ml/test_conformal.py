from dataclasses import replace

import numpy as np

from ml.columns import Floats
from ml.conformal import ConformalInterval
from tests.unit.ml.tables import SPECS

SPEC = SPECS.ml.interval


def city(rows: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Probability, usual spread and residual: jams are ten times as uncertain, and skewed."""
    random = np.random.default_rng(seed)
    probability, spread = random.random(rows), random.random(rows) / 4
    residual = random.exponential(0.02 + 0.2 * probability) - random.normal(0, 0.01 + spread)
    return probability, spread, residual


def inside(fitted: ConformalInterval, rows: int, seed: int) -> tuple[Floats, Floats]:
    probability, spread, residual = city(rows, seed)
    low, _, high = fitted.at(probability, spread)
    return probability, ((low <= residual) & (residual <= high)).astype(float)


def test_new_rows_are_covered_as_often_as_promised_in_every_part() -> None:
    fitted = ConformalInterval.fit(*city(60_000, 1), SPEC)
    probability, covered = inside(fitted, 60_000, 2)
    assert abs(covered.mean() - SPEC.coverage) < 0.01
    for part in (probability < 0.1, probability > 0.9):
        assert abs(covered[part].mean() - SPEC.coverage) < 0.03


def test_a_bin_without_rows_takes_the_interval_of_all() -> None:
    probability, spread, residual = city(5000, 1)
    calm = probability < 0.5
    fitted = ConformalInterval.fit(probability[calm], spread[calm], residual[calm], SPEC)
    low, _, high = fitted.at(np.array([0.95]), np.array([0.1]))
    assert low[0] < 0 < high[0]


def test_more_uncertain_rows_have_wider_intervals() -> None:
    fitted = ConformalInterval.fit(*city(60_000, 1), SPEC)
    low, _, high = fitted.at(np.array([0.03, 0.95]), np.array([0.1, 0.1]))
    assert high[1] - low[1] > 2 * (high[0] - low[0])


def test_the_middle_has_as_many_new_rows_above_as_below_in_every_part() -> None:
    fitted = ConformalInterval.fit(*city(60_000, 1), SPEC)
    probability, spread, residual = city(60_000, 2)
    _, middle, _ = fitted.at(probability, spread)
    for part in (probability < 0.1, (probability > 0.4) & (probability < 0.6), probability > 0.9):
        assert abs((residual[part] > middle[part]).mean() - 0.5) < 0.03


def test_an_interval_of_before_moves_no_expectation() -> None:
    fitted = replace(ConformalInterval.fit(*city(5000, 1), SPEC), middle=None)
    assert fitted.at(np.array([0.95]), np.array([0.1]))[1].tolist() == [0.0]

import numpy as np
import pytest

from ml.drift import Reference, psi

NAMES = ("speed", "age")


def test_the_same_shares_have_no_drift() -> None:
    assert psi(np.array([0.2, 0.8]), np.array([0.2, 0.8])) == 0.0


def test_a_shift_is_weighed_by_its_logarithm() -> None:
    # (0.4 - 0.2) ln 2 + (0.6 - 0.8) ln 0.75
    found = psi(np.array([0.2, 0.8]), np.array([0.4, 0.6]))
    assert found == pytest.approx(0.2 * np.log(2) - 0.2 * np.log(0.75))


def reference(random: np.random.Generator) -> Reference:
    inputs = np.column_stack([random.normal(0, 1, 4000), random.normal(5, 2, 4000)])
    return Reference.of(inputs, np.arange(4000) % 10 == 0)


def test_only_the_feature_that_moved_drifts() -> None:
    random = np.random.default_rng(1)
    known = reference(random)
    now = np.column_stack([random.normal(1, 1, 4000), random.normal(5, 2, 4000)])
    drift = known.drift(now, NAMES)
    assert drift["speed"] > 0.25
    assert drift["age"] < 0.02


def test_a_feature_that_is_suddenly_unknown_drifts() -> None:
    random = np.random.default_rng(1)
    silent = np.column_stack([np.full(100, np.nan), random.normal(5, 2, 100)])
    assert reference(random).drift(silent, NAMES)["speed"] > 1


def test_a_city_that_jams_more_drifts_in_its_label() -> None:
    known = reference(np.random.default_rng(1))
    assert known.label_drift(np.arange(100) % 10 == 0) == pytest.approx(0)
    assert known.label_drift(np.arange(100) % 2 == 0) > 0.25

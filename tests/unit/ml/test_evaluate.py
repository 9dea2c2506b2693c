import numpy as np
import pytest

from ml.evaluate import auroc, brier, calibration_error, mae

HAPPENED = np.array([True, False, True, False])


def test_brier_is_the_mean_squared_error() -> None:
    assert brier(np.array([1.0, 0.0, 0.5, 0.5]), HAPPENED) == 0.125


def test_auroc_counts_ordered_pairs_and_half_of_the_ties() -> None:
    # Pairs (0.9, 0.4), (0.9, 0.1) and (0.4, 0.1) are in order, (0.4, 0.4) is a tie: 3.5 of 4.
    assert auroc(np.array([0.9, 0.4, 0.4, 0.1]), HAPPENED) == 0.875


def test_auroc_of_one_outcome_is_undefined() -> None:
    assert auroc(np.array([0.9, 0.4]), np.array([True, True])) is None


def test_mae_is_in_the_unit_of_the_speeds() -> None:
    assert mae(np.array([50.0, 60.0]), np.array([47.0, 65.0])) == 4.0


def test_calibration_error_weighs_each_bin_by_its_rows() -> None:
    # 0.25 twice, one happened: gap 0.25 of half the rows; 1.0 twice, one happened: gap 0.5.
    forecast = np.array([0.25, 0.25, 1.0, 1.0])
    assert calibration_error(forecast, HAPPENED) == pytest.approx(0.375)


def test_no_rows_have_no_score() -> None:
    nothing, never = np.empty(0), np.empty(0, dtype=bool)
    assert brier(nothing, never) is auroc(nothing, never) is mae(nothing, nothing) is None
    assert calibration_error(nothing, never) is None

import numpy as np
import pytest

from ml.columns import Booleans, Floats
from ml.measures import MEASURES, Figure, Forecast, Outcome, levels, measured
from specs.ml import Metric

HAPPENED = np.array([True, False, True, False])
NOTHING = np.empty(0)


def probability_measure(name: Metric, probability: Floats, happened: Booleans) -> Figure:
    speed = np.zeros(len(happened))
    return measured(name, Forecast(probability, speed), Outcome(happened, speed, happened))


def speed_measure(
    name: Metric, speed: list[float], observed: list[float], **ends: Floats
) -> Figure:
    flags = np.arange(len(observed)) % 2 == 0
    forecast = Forecast(np.zeros(len(speed)), np.array(speed), **ends)
    return measured(name, forecast, Outcome(flags, np.array(observed), flags))


def test_brier_is_the_mean_squared_error() -> None:
    assert probability_measure("brier", np.array([1.0, 0.0, 0.5, 0.5]), HAPPENED) == 0.125


def test_auroc_counts_ordered_pairs_and_half_of_the_ties() -> None:
    # Pairs (0.9, 0.4), (0.9, 0.1) and (0.4, 0.1) are in order, (0.4, 0.4) is a tie: 3.5 of 4.
    assert probability_measure("auroc", np.array([0.9, 0.4, 0.4, 0.1]), HAPPENED) == 0.875


def test_average_precision_steps_down_from_the_highest_score() -> None:
    # Precision 1 at recall 1/2, then 2/3 at recall 1 (the tie is taken whole).
    value = probability_measure("auprc", np.array([0.9, 0.4, 0.4, 0.1]), HAPPENED)
    assert value == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_ranking_one_outcome_is_undefined() -> None:
    always = np.array([True, True])
    assert probability_measure("auroc", np.array([0.9, 0.4]), always) is None
    assert probability_measure("auprc", np.array([0.9, 0.4]), ~always) is None


def test_log_loss_of_a_bold_error_is_bounded() -> None:
    bold = probability_measure("log_loss", np.array([0.0]), np.array([True]))
    assert bold == pytest.approx(-np.log(0.001))


def test_calibration_error_weighs_each_bin_by_its_rows() -> None:
    # 0.25 twice, one happened: gap 0.25 of half the rows; 1.0 twice, one happened: gap 0.5.
    forecast = np.array([0.25, 0.25, 1.0, 1.0])
    assert probability_measure("calibration_error", forecast, HAPPENED) == pytest.approx(0.375)


def test_errors_are_in_the_unit_of_the_speeds() -> None:
    assert speed_measure("mae_kmh", [50.0, 60.0], [47.0, 65.0]) == 4.0
    assert speed_measure("rmse_kmh", [50.0, 60.0], [47.0, 61.0]) == pytest.approx(5**0.5)


def test_coverage_is_the_share_of_speeds_inside_their_intervals() -> None:
    ends = {"low_kmh": np.array([40.0, 50.0, 50.0]), "high_kmh": np.array([50.0, 60.0, 60.0])}
    speeds = [45.0, 55.0, 55.0], [50.0, 49.0, 70.0]
    assert speed_measure("interval_coverage", *speeds, **ends) == pytest.approx(1 / 3)
    assert speed_measure("interval_coverage_congested", *speeds, **ends) == 0.5  # rows 0 and 2


def test_a_forecaster_without_an_interval_has_no_coverage() -> None:
    assert speed_measure("interval_coverage", [50.0], [47.0]) is None


def test_no_rows_have_no_figure() -> None:
    for name in MEASURES:
        assert probability_measure(name, NOTHING, np.empty(0, dtype=bool)) is None


def test_very_many_scores_keep_their_order() -> None:
    score = np.random.default_rng(1).permutation(20_000) / 20_000
    level = levels(score)
    assert level.max() < 4096
    assert (np.diff(level[np.argsort(score)]) >= 0).all()


def test_sums_of_groups_add_up_to_those_of_all() -> None:
    random = np.random.default_rng(2)
    score, speed = random.random(300), random.random(300) * 90
    happened = random.random(300) < score
    forecast = Forecast(score, speed, speed - 9, speed + 9)
    outcome = Outcome(happened, speed + random.normal(0, 9, 300), happened)
    for name, measure in MEASURES.items():
        sums = measure.sums(forecast, outcome)
        assert sums is not None
        group = np.tile(np.arange(300) % 7, len(sums.place) // 300)
        whole = measure.figure(sums.by(group, 7).sum(axis=0))
        assert whole == pytest.approx(measured(name, forecast, outcome))

import numpy as np
import pyarrow as pa
import pytest

from ml.examples import ExampleSet, is_congested
from ml.features import targets_of
from ml.train import TrainedModel, train
from specs.errors import WrongInput
from tests.unit.ml.tables import (
    FIRST,
    SPECS,
    Cell,
    grid,
    ml_spec,
    rush_hours,
    segments,
    silver,
    small_specs,
)

ROADS = segments({"a": 100.0, "b": 100.0, "c": 100.0, "d": 100.0})
DAYS = 10


def example_set(cells: list[Cell], **training: object) -> ExampleSet:
    made = grid(cells, ROADS)
    return ExampleSet.of(made, made.rows(silver(cells)), ml_spec(training=training))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return silver(rush_hours(DAYS))


@pytest.fixture(scope="module")
def trained(table: pa.Table) -> TrainedModel:
    return train(table, ROADS, small_specs())


def test_parts_follow_each_other_by_the_shares_of_the_spec(trained: TrainedModel) -> None:
    split = trained.split
    assert [f"{start:%m-%d %H:%M}" for start in (split.train, split.calibrate, split.test)] == [
        "03-05 00:00", "03-12 00:00", "03-13 00:00",
    ]  # fmt: skip
    assert f"{split.end:%m-%d %H:%M}" == "03-14 23:55"


def test_no_target_of_a_part_lies_in_a_later_part() -> None:
    known = example_set(rush_hours(DAYS))
    _, calibrate, test, _ = known.bounds
    for horizon in (15, 30, 60):
        parts = known.parts(horizon)
        assert targets_of(known.grid, parts.train, horizon).window.max() == calibrate - 1
        assert parts.calibrate.window.min() == calibrate
        assert targets_of(known.grid, parts.calibrate, horizon).window.max() == test - 1
        assert parts.test.window.min() == test


def test_only_rows_whose_target_was_observed_are_examples() -> None:
    cells: list[Cell] = [("a", window, None if window % 2 else 90.0) for window in range(100)]
    parts = example_set(cells).parts(15)  # three windows ahead: from odd to even ones
    assert parts.train.window.tolist() == [FIRST + window for window in range(1, 67, 2)]


def test_the_label_follows_the_spec() -> None:
    speed, free_flow = np.array([49.0, 50.0, 59.9, 60.0]), np.full(4, 100.0)
    assert is_congested(speed, free_flow, ml_spec()).tolist() == [True, True, True, False]
    stricter = ml_spec(label={"congested_below_ratio": 0.5})
    assert is_congested(speed, free_flow, stricter).tolist() == [True, False, False, False]


def test_training_labels_follow_the_spec(table: pa.Table) -> None:
    slow = [ml_spec(label={"congested_below_ratio": ratio}) for ratio in (0.6, 0.95)]
    shares = []
    for spec in slow:
        made = grid(rush_hours(DAYS), ROADS)
        known = ExampleSet.of(made, made.rows(table), spec)
        rows = known.parts(15).train
        shares.append(known.examples(rows, 15, np.empty((len(rows), 0))).congested.mean())
    assert shares[0] == pytest.approx(24 / 288, abs=0.01)
    assert shares[1] == 1.0


def test_a_training_row_s_profile_does_not_know_its_target() -> None:
    # Two histories that differ in one day's rush hour only: no row of that rush hour can tell.
    usual, other = example_set(rush_hours(DAYS)), example_set(
        [
            (name, window, 10.0 if 72 <= window - 2 * 288 < 144 else speed)
            for name, window, speed in rush_hours(DAYS)
        ]
    )  # fmt: skip
    target = targets_of(usual.grid, usual.rows, 60).window - FIRST
    rows = usual.rows[(target >= 2 * 288 + 72) & (target < 2 * 288 + 144)]
    profile = [feature.name for feature in usual.spec.features].index("profile_ratio")
    seen = [known.unseen_inputs(rows, 60)[:, profile] for known in (usual, other)]
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (usual.inputs(rows, 60)[:, profile] != other.inputs(rows, 60)[:, profile]).any()


def test_more_rows_than_the_limit_are_sampled_with_the_seed() -> None:
    one, same, other = (
        example_set(rush_hours(DAYS), max_rows=50, seed=seed).parts(15).train for seed in (1, 1, 2)
    )
    assert len(one) == 50
    assert one.window.tolist() == same.window.tolist() != other.window.tolist()


def test_the_same_rows_in_any_order_give_the_same_model(
    table: pa.Table, trained: TrainedModel
) -> None:
    shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
    again = train(shuffled, ROADS, small_specs())
    assert again.metrics == trained.metrics
    np.testing.assert_array_equal(
        again.model.predict(trained.example), trained.model.predict(trained.example)
    )


def test_every_metric_of_every_forecaster_is_measured_on_the_same_rows(
    trained: TrainedModel,
) -> None:
    for horizon in (15, 30, 60):
        measured = trained.metrics[horizon]
        assert set(measured) == {"model", "persistence", "historical_average"}
        assert all(set(metrics) == set(SPECS.ml.metrics) for metrics in measured.values())
        assert trained.row_counts[horizon]["judged"] == (2 * 288 - horizon // 5) * 4


def test_persistence_is_wrong_while_a_jam_begins_and_ends(trained: TrainedModel) -> None:
    # Of each day's rush hour the first and last `ahead` windows of 4 segments are missed.
    for horizon in (15, 30, 60):
        ahead = horizon // 5
        missed, rows = 2 * 2 * ahead * 4, (2 * 288 - ahead) * 4
        persistence = trained.metrics[horizon]["persistence"]
        assert persistence["brier"] == pytest.approx(missed / rows)
        assert persistence["mae_kmh"] == pytest.approx(60 * missed / rows)
        assert persistence["auroc_onset"] == 0.5


def test_the_model_beats_persistence_where_jams_recur(trained: TrainedModel) -> None:
    for measured in trained.metrics.values():
        model, persistence = measured["model"]["brier"], measured["persistence"]["brier"]
        assert model is not None
        assert persistence is not None
        assert model < persistence


def test_too_few_rows_are_refused(table: pa.Table) -> None:
    with pytest.raises(WrongInput, match="99 rows"):
        train(table.slice(0, 99), ROADS, small_specs())


def test_traffic_that_never_jams_is_refused() -> None:
    free = silver([("a", window, 90.0) for window in range(2000)])
    with pytest.raises(WrongInput, match="none are congested 15 min ahead"):
        train(free, ROADS, small_specs())


def test_a_table_of_other_windows_only_is_refused() -> None:
    with pytest.raises(WrongInput, match=r"^0 rows"):
        train(silver(rush_hours(1), window_seconds=900), ROADS, small_specs())

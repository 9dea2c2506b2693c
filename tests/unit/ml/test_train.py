import numpy as np
import pyarrow as pa
import pytest

from ml.examples import ExampleSet
from ml.features import targets_of
from ml.grid import Rows
from ml.observations import Observations, is_congested
from ml.train import TrainedModel, train
from specs.errors import WrongInput
from tests.unit.ml.tables import (
    FIRST,
    SPECS,
    Cell,
    ml_spec,
    rush_hours,
    segments,
    silver,
    small_specs,
)

pytestmark = pytest.mark.slow

ROADS = segments({"a": 100.0, "b": 100.0, "c": 100.0, "d": 100.0})
DAYS = 10


def example_set(cells: list[Cell], **training: object) -> ExampleSet:
    """Examples of days 1 to 8 of ten."""
    specs = small_specs(**training)
    made = Observations.of(silver(cells), ROADS, specs)
    return ExampleSet(made, FIRST, FIRST + 8 * 288)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return silver(rush_hours(DAYS))


@pytest.fixture(scope="module")
def trained(table: pa.Table) -> TrainedModel:
    return train(table, ROADS, small_specs())


def test_the_test_part_is_the_latest_share_of_the_time(trained: TrainedModel) -> None:
    split = trained.split
    assert f"{split.train:%m-%d %H:%M}" == "03-05 00:00"
    assert f"{split.test:%m-%d %H:%M}" == "03-13 00:00"
    assert f"{split.end:%m-%d %H:%M}" == "03-14 23:55"


def test_no_target_reaches_past_the_training_s_end() -> None:
    known = example_set(rush_hours(DAYS))
    for horizon in (15, 30, 60):
        parts = known.parts(horizon)
        for rows in (parts.learn, parts.calibrate):
            assert targets_of(known.observations.truth, rows, horizon).window.max() < known.end
            assert rows.window.min() >= known.start


def test_whole_days_of_targets_calibrate_and_teach_nothing() -> None:
    # Of 8 days every fourth, counted from the last.
    known = example_set(rush_hours(DAYS), calibrate_every_days=4)
    parts = known.parts(60)
    learn, held_out = (
        set(((targets_of(known.observations.truth, rows, 60).window - FIRST) // 288).tolist())
        for rows in (parts.learn, parts.calibrate)
    )
    assert held_out == {1, 5}
    assert learn == {0, 2, 3, 4, 6, 7}


@pytest.mark.parametrize(("days", "hours"), [(1, 3), (7, 24)])
def test_of_a_time_with_few_days_every_seventh_hour_calibrates(days: int, hours: int) -> None:
    known = example_set(rush_hours(days))
    parts = known.parts(15)
    learn, held_out = (
        set((targets_of(known.observations.truth, rows, 15).window // 12).tolist())
        for rows in (parts.learn, parts.calibrate)
    )
    assert not learn & held_out
    assert len(held_out) in {24 * days // 7, 24 * days // 7 + 1}
    assert len({hour % 24 for hour in held_out}) == hours  # of the day


def test_as_large_a_share_of_the_held_out_rows_is_learnt_from_in_the_end() -> None:
    known = example_set(rush_hours(DAYS), sample={"ratio": 0.25, "min_rows": 1, "max_rows": 10**6})
    parts = known.parts(15)
    assert len(parts.again) == pytest.approx(len(parts.calibrate) / 4, abs=2)
    assert len(set(parts.again.tolist())) == len(parts.again)
    assert parts.again.max() < len(parts.calibrate)
    whole = example_set(rush_hours(DAYS)).parts(15)
    assert whole.again.tolist() == list(range(len(whole.calibrate)))


def test_only_rows_whose_target_was_observed_are_examples() -> None:
    cells: list[Cell] = [("a", window, None if window % 2 else 90.0) for window in range(2000)]
    parts = example_set(cells).parts(15)  # three windows ahead: from odd to even ones
    assert set((parts.learn.window - FIRST) % 2) == {1}


def test_a_single_day_is_enough_to_learn_from() -> None:
    day: list[Cell] = [
        (name, window, 30.0 if (window // 7 + place) % 3 else 90.0)
        for place, name in enumerate("abcd")
        for window in range(288)
    ]
    made = train(silver(day), ROADS, small_specs())
    forecast = made.model.predict(made.example)
    assert np.isfinite(forecast).all()


def aarhus(*quarters: tuple[int, float, int]) -> Observations:
    """Two windows of one vehicle, and quarter hours: first window, km/h, vehicles."""
    fives = silver([("a", 0, 90.0), ("a", 1, 30.0)], source="aarhus", vehicle_count=1)
    rows = [fives]
    for window, speed, vehicles in quarters:
        same = {"source": "aarhus", "vehicle_count": vehicles, "window_seconds": 900}
        rows.append(silver([("a", window, speed)], **same))
    city = segments({"a": 100.0}, source="aarhus")
    return Observations.of(pa.concat_tables(rows), city, SPECS)


def test_where_few_vehicles_pass_a_target_is_the_quarter_hour_of_three() -> None:
    made = aarhus((0, 70.0, 3), (1, 50.0, 2))
    assert made.seen.speed_kmh.tolist() == [[90.0, 30.0]]
    rows = Rows(np.array([0, 0]), np.array([FIRST - 3, FIRST - 2]))
    np.testing.assert_array_equal(made.targets(rows, 15), [70.0, np.nan])


def test_a_target_of_three_windows_is_over_when_the_third_is() -> None:
    made = aarhus((0, 70.0, 3), (1, 50.0, 4))
    assert made.passed(np.array([FIRST, FIRST + 1]), FIRST + 3).tolist() == [True, False]
    known = ExampleSet(made, FIRST - 10, FIRST + 3)
    parts = known.parts(15)
    assert [*parts.learn.window, *parts.calibrate.window] == [FIRST - 3]


def test_what_is_usual_is_of_targets_that_are_over() -> None:
    made = aarhus((0, 70.0, 3), (1, 50.0, 4))
    known, only = ExampleSet(made, FIRST, FIRST + 3), np.array([0])
    usual = known.profile.level_of("speed_ratio", made.seen.roads.segment_ids, only)
    np.testing.assert_allclose(usual, [0.7])


def test_another_city_s_targets_are_its_primary_windows() -> None:
    made = Observations.of(silver([("a", 0, 90.0)]), segments({"a": 100.0}), SPECS)
    assert made.truth is made.seen
    assert made.passed(np.array([FIRST, FIRST + 1]), FIRST + 1).tolist() == [True, False]


def test_the_label_follows_the_spec() -> None:
    speed, free_flow = np.array([49.0, 50.0, 59.9, 60.0]), np.full(4, 100.0)
    assert is_congested(speed, free_flow, ml_spec()).tolist() == [True, True, True, False]
    stricter = ml_spec(label={"congested_below_ratio": 0.5})
    assert is_congested(speed, free_flow, stricter).tolist() == [True, False, False, False]


def test_a_training_row_s_features_do_not_know_its_target_s_day() -> None:
    # Two histories that differ in one day's rush hour only: before it, no row can tell.
    usual, other = example_set(rush_hours(DAYS)), example_set(
        [
            (name, window, 10.0 if 84 <= window - 2 * 288 < 144 else speed)
            for name, window, speed in rush_hours(DAYS)
        ]
    )  # fmt: skip
    windows = np.repeat(FIRST + 2 * 288 + np.arange(72, 84), 4)
    rows = Rows(np.tile(np.arange(4), 12), windows)
    # Which segments the network's forecast looks at is of all days; `test_network` has its share.
    own = [feature.kind != "network_forecast" for feature in usual.spec.features]
    seen = [known.examples(rows, 60).inputs[:, own] for known in (usual, other)]
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-12)
    days_later = Rows(rows.segment, rows.window + 288)
    later = [known.examples(days_later, 60).inputs for known in (usual, other)]
    assert np.nanmax(np.abs(later[0] - later[1])) > 0.01


def test_more_rows_than_the_limit_are_sampled_with_the_seed() -> None:
    few = {"ratio": 1.0, "min_rows": 50, "max_rows": 50}
    one, same, other = (
        example_set(rush_hours(DAYS), sample=few, seed=seed).parts(15).learn for seed in (1, 1, 2)
    )
    assert len(one) == 50
    assert one.window.tolist() == same.window.tolist() != other.window.tolist()


def test_more_rows_than_the_limit_calibrate_as_a_sample() -> None:
    few = {"ratio": 0.25, "min_rows": 1, "max_rows": 50}
    parts = example_set(rush_hours(DAYS), sample=few).parts(15)
    assert len(parts.calibrate) == 50
    assert parts.again.max() < 50
    taken = parts.calibrate.segment + 4 * parts.calibrate.window
    assert (np.diff(taken) > 0).all()  # each once, in the order that they have


def test_piece_by_piece_features_and_forecasts_are_the_same(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = example_set(rush_hours(DAYS))
    rows, grid = known.parts(30).calibrate, known.observations.seen
    whole, forecast = known.examples(rows, 30), trained.model.forecast(grid, rows)
    monkeypatch.setattr("ml.examples.PIECE_ROWS", 7)
    monkeypatch.setattr("ml.model.PIECE_ROWS", 7)
    np.testing.assert_array_equal(known.examples(rows, 30).inputs, whole.inputs)
    again = trained.model.forecast(grid, rows)
    for one, other in zip(again.arrays(), forecast.arrays(), strict=True):
        np.testing.assert_array_equal(one, other)


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
        names = {*SPECS.ml.metrics, *(f"{metric}_onset" for metric in SPECS.ml.metrics)}
        assert all(set(metrics) == names for metrics in measured.values())
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


def test_slower_traffic_does_not_look_freer(trained: TrainedModel) -> None:
    assert trained.slower_is_likelier is not None
    assert trained.slower_is_likelier > 0.9


def test_the_time_of_scoring_is_measured(trained: TrainedModel) -> None:
    assert trained.scoring_ms > 0


def test_too_few_rows_are_refused(table: pa.Table) -> None:
    with pytest.raises(WrongInput, match="99 observed rows"):
        train(table.slice(0, 99), ROADS, small_specs())


def test_traffic_that_never_jams_is_refused() -> None:
    free = silver([("a", window, 90.0) for window in range(2000)])
    with pytest.raises(WrongInput, match="none are congested 15 min ahead"):
        train(free, ROADS, small_specs())


def test_a_table_of_other_windows_only_is_refused() -> None:
    with pytest.raises(WrongInput, match=r"^0 observed rows"):
        train(silver(rush_hours(1), window_seconds=900), ROADS, small_specs())

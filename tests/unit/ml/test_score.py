import json
from copy import copy
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from ml.features import features
from ml.grid import Rows, SpeedGrid
from ml.score import LoadedModel, scores
from ml.train import train
from specs.arrow import arrow_schema
from specs.errors import WrongInput
from tests.unit.ml.tables import (
    FIRST,
    SPECS,
    at,
    grid,
    rush_hours,
    segments,
    silver,
    small_specs,
)

ROADS = segments({"a": 100.0, "b": 100.0})
NOW = datetime(2018, 3, 20, tzinfo=UTC)
TABLE = SPECS.tables["gold.congestion_scores"]


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    model = train(silver(rush_hours(10, "ab")), ROADS, small_specs()).model
    return LoadedModel("congestion", 7, model, TABLE)


def scored(loaded: LoadedModel, rows: pa.Table) -> pa.Table:
    return scores(loaded, grid(rush_hours(1, "ab"), ROADS), rows, scored_at=NOW)


def test_scores_have_exactly_the_schema_of_the_table(loaded: LoadedModel) -> None:
    made = scored(loaded, silver([("a", 90, 30.0)]))
    assert made.schema == arrow_schema(TABLE)
    made.validate(full=True)


def test_there_is_one_score_a_row_and_horizon_in_the_order_of_the_key(loaded: LoadedModel) -> None:
    made = scored(loaded, silver([("b", 90, 30.0), ("a", 91, 30.0), ("a", 90, 30.0)]))
    keys = [tuple(row[name] for name in TABLE.key) for row in made.to_pylist()]
    assert keys == [
        (segment, at(window), horizon)
        for segment, window in (("a", 90), ("a", 91), ("b", 90))
        for horizon in (15, 30, 60)
    ]


def test_a_score_carries_what_it_was_made_from(loaded: LoadedModel) -> None:
    rows = silver([("a", 280, 90.0)], is_final=True, revision=2, source="city")
    last = scored(loaded, rows).to_pylist()[2]
    probability, speed = last.pop("congestion_probability"), last.pop("speed_kmh_predicted")
    low, high = last.pop("speed_kmh_low"), last.pop("speed_kmh_high")
    assert 0 <= probability <= 1
    assert 30 <= speed <= 90
    assert 0 <= low <= speed <= high
    assert last == {
        "segment_id": "a", "source": "city", "window_start": at(280),
        "window_date": date(2018, 3, 5), "horizon_minutes": 60, "target_start": at(292),
        "model_name": "congestion", "model_version": 7, "is_final": True, "revision": 2,
        "kafka_timestamp_max": at(280), "scored_at": NOW,
    }  # fmt: skip


def test_a_jam_is_likelier_in_the_middle_of_one_than_at_night(loaded: LoadedModel) -> None:
    made = scored(loaded, silver([("a", 10, 90.0), ("a", 95, 30.0)]))
    night, morning = made["congestion_probability"].to_numpy()[[0, 3]]
    assert night < 0.1
    assert morning > 0.9


def test_a_row_without_an_observation_is_scored_too(loaded: LoadedModel) -> None:
    assert scored(loaded, silver([("a", 90, None)])).num_rows == 3


def test_rows_of_other_windows_are_left_out(loaded: LoadedModel) -> None:
    assert scored(loaded, silver([("a", 90, 30.0)], window_seconds=900)).num_rows == 0


def test_a_segment_that_training_never_saw_is_scored(loaded: LoadedModel) -> None:
    made = grid([("new", 90, 30.0)], segments({"new": 100.0}))
    rows = scores(loaded, made, silver([("new", 90, 30.0)]), scored_at=NOW)
    assert np.isfinite(rows["congestion_probability"].to_numpy()).all()


def test_a_grid_of_other_windows_is_refused(loaded: LoadedModel) -> None:
    wide = silver([("a", 90, 30.0)], window_seconds=900)
    made = SpeedGrid.from_tables(wide, ROADS, SPECS.ml.label, 900)
    with pytest.raises(WrongInput, match="900 s"):
        scores(loaded, made, wide, scored_at=NOW)


def test_features_of_a_horizon_that_was_not_trained_are_refused(loaded: LoadedModel) -> None:
    inputs = np.zeros((1, 1 + len(SPECS.ml.features)))
    inputs[0, 0] = 45
    with pytest.raises(WrongInput, match="15, 30, 60"):
        loaded.model.predict(inputs)


def test_ready_made_features_give_the_same_forecast(loaded: LoadedModel) -> None:
    made = grid(rush_hours(1, "ab"), ROADS)
    rows = made.rows(silver([("a", 90, 30.0), ("b", 10, 90.0)]))
    model = loaded.model
    inputs = features(made, rows, model.spec, model.memory, 30)
    answer = model.predict(np.hstack([np.full((2, 1), 30.0), inputs]))
    forecast = model.forecast(made, rows)
    expected = np.column_stack([values[:, 1] for values in forecast.arrays()])
    np.testing.assert_array_equal(answer, expected)


def test_a_model_of_before_targets_had_windows_of_their_own_still_forecasts(
    loaded: LoadedModel,
) -> None:
    asked = json.loads(loaded.model.spec_json)
    del asked["targets"]
    asked["protocol"]["min_vehicles"] = [{"source": "aarhus", "vehicles": 3}]
    before = copy(loaded.model)
    before.spec_json = json.dumps(asked)
    assert before.spec.targets == ()
    rows = Rows(np.array([0, 1]), np.array([FIRST + 100, FIRST + 100]))
    cells = grid(rush_hours(1, "ab"), ROADS)
    for now, then in zip(
        loaded.model.forecast(cells, rows).arrays(), before.forecast(cells, rows).arrays(),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(now, then)

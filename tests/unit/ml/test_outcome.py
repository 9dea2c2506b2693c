from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from ml.outcome import errors_of, outcomes, quality_of
from specs.arrow import arrow_schema
from tests.unit.ml.tables import SPECS, at, silver

SCORES = arrow_schema(SPECS.tables["gold.congestion_scores"])
OUTCOMES = arrow_schema(SPECS.tables["gold.score_outcome"])


def score(window: int, probability: float = 0.5, **other: Any) -> dict[str, Any]:
    """A row of gold.congestion_scores of segment a, 15 minutes ahead."""
    return {
        "segment_id": "a", "source": "city", "window_start": at(window),
        "window_date": at(window).date(), "horizon_minutes": 15, "target_start": at(window + 3),
        "congestion_probability": probability, "speed_kmh_predicted": 70.0,
        "speed_kmh_low": 60.0, "speed_kmh_high": 80.0, "model_name": "congestion",
        "model_version": 7, "is_final": True, "revision": 0,
        "kafka_timestamp_max": at(window), "scored_at": datetime(2018, 3, 20, tzinfo=UTC),
    } | other  # fmt: skip


def outcomes_of(scored: list[dict[str, Any]], rows: pa.Table) -> pa.Table:
    return outcomes(pa.Table.from_pylist(scored, schema=SCORES), rows, SPECS)


def test_an_outcome_joins_the_score_with_its_target_and_its_own_window() -> None:
    made = outcomes_of([score(0, 0.8)], silver([("a", 0, 90.0), ("a", 3, 40.0), ("b", 3, 90.0)]))
    assert made.schema == OUTCOMES
    assert made.to_pylist() == [
        {
            "segment_id": "a", "source": "city", "window_start": at(0),
            "window_date": at(0).date(), "horizon_minutes": 15, "congestion_probability": 0.8,
            "speed_kmh_predicted": 70.0, "speed_kmh_low": 60.0, "speed_kmh_high": 80.0,
            "is_congested_now": False, "is_congested": True,
            "speed_kmh_observed": 40.0, "model_name": "congestion", "model_version": 7,
        }
    ]  # fmt: skip


def test_a_score_has_no_outcome_before_its_target_is_observed() -> None:
    assert outcomes_of([score(0)], silver([("a", 0, 90.0)])).num_rows == 0
    assert outcomes_of([score(0)], silver([("a", 0, 90.0), ("a", 3, None)])).num_rows == 0


def test_windows_of_another_length_are_no_target() -> None:
    assert outcomes_of([score(0)], silver([("a", 3, 40.0)], window_seconds=900)).num_rows == 0


def test_where_few_vehicles_pass_the_outcome_is_that_of_the_quarter_hour() -> None:
    five = silver([("a", 0, 90.0), ("a", 3, 90.0)], source="aarhus", vehicle_count=9)
    for vehicles, outcome in ((3, [40.0]), (2, [])):
        same = {"source": "aarhus", "window_seconds": 900, "vehicle_count": vehicles}
        quarter = silver([("a", 0, 40.0), ("a", 3, 40.0)], **same)
        made = outcomes_of([score(0, source="aarhus")], pa.concat_tables([five, quarter]))
        assert made["speed_kmh_observed"].to_pylist() == outcome
        assert made["is_congested_now"].to_pylist() == [False] * len(outcome)


def test_persistence_has_no_answer_where_the_score_s_own_window_was_not_observed() -> None:
    made = outcomes_of([score(0)], silver([("a", 0, None), ("a", 3, 40.0)]))
    assert made["is_congested_now"].to_pylist() == [None]
    assert quality_of(made)[15].row_count == 0
    assert quality_of(made)[15].brier is None


def test_outcomes_are_sorted_by_key() -> None:
    cells = [("a", window, 40.0) for window in range(9)]
    made = outcomes_of([score(4), score(0), score(2)], silver(cells))
    assert made["window_start"].to_pylist() == [at(0), at(2), at(4)]


def test_quality_sets_the_model_beside_persistence_on_the_same_rows() -> None:
    # Windows 0..5 flow, 3..5 jam: from 0 it comes true at 0.75, from 1 at 0.75, from 3 not at 0.25.
    cells = [("a", 0, 90.0), ("a", 1, 90.0), ("a", 3, 40.0), ("a", 4, 40.0), ("a", 6, 90.0)]
    made = outcomes_of([score(0, 0.75), score(1, 0.75), score(3, 0.25)], silver(cells))
    quality = quality_of(made)[15]
    assert quality.row_count == 3
    assert quality.congested_ratio == pytest.approx(2 / 3)
    assert quality.brier == pytest.approx(0.0625)
    assert quality.brier_persistence == 1.0
    assert quality.brier_skill == pytest.approx(0.9375)
    assert (quality.auroc, quality.auroc_persistence) == (1.0, 0.0)
    assert quality.calibration_error == pytest.approx(0.25)


def test_errors_add_up_over_pieces_of_any_size() -> None:
    cells = [("a", window, 40.0 if window % 3 else 90.0) for window in range(30)]
    scored = [
        score(window, window / 30, horizon_minutes=horizon, target_start=at(window + horizon // 5))
        for window in range(20)
        for horizon in (15, 30)
    ]
    made = outcomes_of([*scored, score(40, horizon_minutes=60)], silver([*cells, ("a", 43, 40.0)]))
    whole = quality_of(made)
    assert [whole[horizon].row_count for horizon in (15, 30, 60)] == [20, 20, 0]
    for rows in (1, 7, 100):
        errors = errors_of(made.to_batches(max_chunksize=rows))
        assert list(errors) == list(whole)
        for horizon, one in errors.items():
            for name, value in asdict(one).items():
                assert value == pytest.approx(getattr(whole[horizon], name)), name


def test_nothing_scored_has_no_quality() -> None:
    assert quality_of(outcomes_of([], silver([]))) == {}
    assert errors_of([]) == {}

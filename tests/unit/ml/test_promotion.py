import dataclasses
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ml.columns import Floats
from ml.outcome import Quality
from ml.promotion import Duel, duel, must_go, since_hours, verdict
from specs.arrow import arrow_schema
from specs.ml import Promotion
from tests.unit.ml.tables import MONDAY, SPECS

OUTCOMES = arrow_schema(SPECS.tables["gold.score_outcome"])
RULE = SPECS.ml.promotion
HOURS = 30
GOOD = Duel(9000, 20, 0.06, 0.05, -0.01, -0.012, -0.008, 0.004, 0.004)


def live(probability: Floats, happened: Floats, horizon: int = 15) -> pa.Table:
    """Outcomes of one segment every five minutes from Monday on."""
    rows: list[dict[str, Any]] = []
    for number, (said, came) in enumerate(zip(probability, happened, strict=True)):
        start = MONDAY + timedelta(minutes=5 * number)
        rows.append(
            {
                "segment_id": "a", "source": "city", "window_start": start,
                "window_date": start.date(), "horizon_minutes": horizon,
                "congestion_probability": float(said), "speed_kmh_predicted": 50.0,
                "is_congested_now": False, "is_congested": bool(came),
                "speed_kmh_observed": 50.0, "model_name": "congestion", "model_version": 1,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=OUTCOMES)


def two_models() -> tuple[pa.Table, pa.Table]:
    random = np.random.default_rng(3)
    truth = random.random(HOURS * 12)
    happened = random.random(len(truth)) < truth
    return live(np.full(len(truth), 0.5), happened), live(truth, happened)


def test_a_sharper_challenger_is_better_beyond_its_interval() -> None:
    blunt, sharp = two_models()
    found = duel(blunt, sharp, RULE, seed=1)
    assert (found.row_count, found.block_count) == (HOURS * 12, HOURS // RULE.block_hours)
    assert found.difference_high is not None
    assert found.difference_high < 0
    back = duel(sharp, blunt, RULE, seed=1)
    assert back.difference_low is not None
    assert back.difference_low > 0


def test_only_rows_that_both_have_scored_are_compared() -> None:
    blunt, sharp = two_models()
    assert duel(blunt, sharp.slice(0, 50), RULE, seed=1).row_count == 50
    assert duel(blunt.slice(0, 0), sharp, RULE, seed=1).row_count == 0


def test_a_challenger_that_shows_everything_is_better() -> None:
    assert verdict(GOOD, 250.0, RULE).is_better


@pytest.mark.parametrize(
    ("change", "scoring_ms", "reason"),
    [
        ({"row_count": 100}, 250.0, "100 live outcomes"),
        ({"block_count": 2}, 250.0, "2 blocks"),
        ({"difference_high": 0.001}, 250.0, "not better beyond"),
        ({"difference_high": None}, 250.0, "not better beyond"),
        ({"calibration_challenger": 0.01}, 250.0, "calibration error is 0.0100"),
        ({}, 900.0, "900 ms"),
        ({}, None, "an unknown time"),
    ],
)
def test_each_part_of_the_rule_holds_a_challenger_back(
    change: dict[str, Any], scoring_ms: float | None, reason: str
) -> None:
    found = verdict(dataclasses.replace(GOOD, **change), scoring_ms, RULE)
    assert not found.is_better
    assert len(found.reasons) == 1
    assert reason in found.reasons[0]


def quality(brier: float, persistence: float, rows: int = 6000) -> Quality:
    return Quality(rows, 0.1, brier, 0.9, 0.01, persistence, 0.8)


def test_a_champion_goes_when_persistence_is_better_at_any_horizon() -> None:
    rule = SPECS.ml.rollback
    assert must_go({15: quality(0.05, 0.06), 60: quality(0.09, 0.1)}, rule) is None
    reason = must_go({15: quality(0.05, 0.06), 60: quality(0.11, 0.1)}, rule)
    assert reason is not None
    assert reason.startswith("60 min ahead its Brier score over 24 h is 0.1100")


def test_few_outcomes_are_no_reason() -> None:
    assert must_go({15: quality(0.11, 0.1, rows=4999)}, SPECS.ml.rollback) is None


def test_the_newest_hours_are_counted_from_the_newest_row() -> None:
    rows = live(np.zeros(36), np.zeros(36))
    kept = since_hours(rows, 1)["window_start"].to_pylist()
    assert kept[0] == MONDAY + timedelta(minutes=5 * 24)
    assert isinstance(kept[-1], datetime)
    assert since_hours(rows.slice(0, 0), 1).num_rows == 0


def test_the_rule_is_the_spec_s() -> None:
    assert isinstance(RULE, Promotion)
    assert RULE.max_scoring_ms == 300

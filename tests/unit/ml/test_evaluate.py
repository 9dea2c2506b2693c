from datetime import date

import numpy as np
import pytest

from ml.evaluate import Judged, eligible, judge, report
from ml.grid import Rows
from ml.measures import Forecast, Outcome
from ml.observations import Observations
from ml.report_data import Cost, EvaluatedTime, plain
from ml.report_html import page
from ml.train import fit
from tests.unit.ml.tables import (
    FIRST,
    MONDAY,
    Cell,
    at,
    grid,
    rush_hours,
    segments,
    silver,
    small_specs,
)

ROADS = segments(dict.fromkeys("abcd", 100.0))


def observations(cells: list[Cell]) -> Observations:
    return Observations.of(silver(cells), ROADS, small_specs())


def test_a_row_counts_while_its_last_reading_is_half_an_hour_old_at_most() -> None:
    # Window 2 starts at 10 min; window 7 ends 30 min after that, window 8 ends 35 min after it.
    made = grid([("a", 2, 50.0), ("b", 20, 50.0)], ROADS)
    rows = eligible(made, FIRST, FIRST + 12, 30)
    assert (rows.window - FIRST).tolist() == [2, 3, 4, 5, 6, 7]
    assert rows.segment.tolist() == [0] * 6


def test_a_reading_from_before_the_time_counts_as_the_last_one() -> None:
    made = grid([("a", 2, 50.0)], ROADS)
    assert (eligible(made, FIRST + 5, FIRST + 20, 30).window - FIRST).tolist() == [5, 6, 7]


def test_only_targets_before_the_end_that_were_observed_are_judged() -> None:
    seen = observations([cell for cell in rush_hours(10) if cell[1] != 8 * 288 + 50])
    model, _ = fit(seen, FIRST, FIRST + 8 * 288)
    for horizon, judged in judge(seen, model, FIRST + 8 * 288, FIRST + 9 * 288).items():
        target = judged.rows.window - FIRST + horizon // 5
        assert target.max() == 9 * 288 - 1
        assert 8 * 288 + 50 not in target
        assert len(target) == 4 * (288 - horizon // 5 - 1)


def hand_made() -> Judged:
    """Two days of two rows: the model is right on the first and unsure on the second."""
    happened = np.array([True, False, True, False])
    speed = np.array([30.0, 90.0, 30.0, 90.0])
    model = Forecast(np.array([1.0, 0.0, 0.5, 0.5]), speed, speed - 5, speed + 5)
    stays = Forecast(np.array([1.0, 0.0, 0.0, 0.0]), np.array([30.0, 90.0, 90.0, 90.0]))
    days = np.array([1, 1, 2, 2]) + date(2018, 3, 5).toordinal()
    return Judged(
        rows=Rows(np.array([0, 1, 0, 1]), FIRST + np.array([0, 0, 288, 288])),
        day=days,
        hour=np.array([7, 8, 7, 8]),
        observed_share=np.array([1.0, 0.5, 1.0, 0.1]),
        outcome=Outcome(happened, speed, np.array([True, False, False, False])),
        forecasts={"model": model, "persistence": stays, "historical_average": stays},
    )


def test_days_are_drawn_again_for_the_interval() -> None:
    made = report(hand_made(), observations([("a", 0, 50.0)]))
    brier = made.overall["model"]["brier"]
    assert brier.value == 0.125
    assert (brier.low, brier.high) == (0.0, 0.25)  # two of the first day, two of the second
    assert made.overall["persistence"]["interval_coverage"].value is None


def test_onsets_are_rows_that_are_not_congested_yet() -> None:
    made = report(hand_made(), observations([("a", 0, 50.0)]))
    assert made.onset_count == 3
    assert made.onset["model"]["brier"].value == pytest.approx(0.5 / 3)
    assert made.onset["persistence"]["brier"].value == pytest.approx(1 / 3)


def test_slices_are_by_hour_road_and_what_was_observed() -> None:
    slices = report(hand_made(), observations([("a", 0, 50.0)])).slices
    assert [(part.key, part.row_count) for part in slices["hour"]] == [("07:00", 2), ("08:00", 2)]
    assert [part.key for part in slices["road"]] == ["a", "b"]
    assert slices["road"][0].figures["model"]["brier"] == 0.125
    assert [part.key for part in slices["sparsity"]] == ["0-25 %", "50-75 %", "75-100 %"]


def test_the_page_shows_every_part_without_a_network() -> None:
    made = report(hand_made(), observations([("a", 0, 50.0)]))
    time = EvaluatedTime(
        "city", MONDAY, at(576), "a <model>", {"max_age_minutes": 30}, Cost(9.0, 80.0, 150.0)
    )
    figures = plain(time, {15: made}, {15: hand_made()})
    shown = page(figures, {"a": "Broadway & 1st"})
    for words in (
        "15 minutes ahead", "Onsets", "Reliability", "Precision over recall", "by local hour",
        "Worst segments", "Broadway &amp; 1st", "a &lt;model&gt;",
        "trained in 80 s, 150 s of CPU; 10,000 rows at every horizon take one core 9 ms",
    ):  # fmt: skip
        assert words in shown
    assert "http" not in shown

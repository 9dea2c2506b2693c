import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.jobs.evaluation import Evaluation, History, evaluate, judged_time
from specs.errors import WrongInput
from tests.unit.ml.tables import MONDAY, SPECS, rush_hours, segments, silver, small_specs

ROADS = segments({"a": 100.0, "b": 100.0})
HISTORY = History(silver(rush_hours(10, "ab")), ROADS)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluate(HISTORY, small_specs(), "city", (MONDAY + 8 * DAY, MONDAY + 10 * DAY))


def test_the_time_is_the_latest_part_unless_asked_for() -> None:
    assert judged_time(HISTORY.silver, SPECS, None, None) == (
        MONDAY + 8 * DAY, MONDAY + 10 * DAY,
    )  # fmt: skip
    asked = (MONDAY, MONDAY + DAY)
    assert judged_time(HISTORY.silver, SPECS, *asked) == asked


def test_a_time_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(WrongInput, match="--from 2018-03-06 00:00 is not before"):
        judged_time(HISTORY.silver, SPECS, MONDAY + DAY, MONDAY)


def test_figures_are_json_with_every_forecaster_side_by_side(found: Evaluation) -> None:
    figures = json.loads(json.dumps(found.figures))
    assert set(figures["horizons"]) == {"15", "30", "60"}
    overall = figures["horizons"]["15"]["overall"]
    assert set(overall) == {"model", "persistence", "historical_average"}
    assert overall["model"]["brier"]["value"] < overall["persistence"]["brier"]["value"]
    assert figures["protocol"]["max_age_minutes"] == 30
    assert figures["model"].startswith("hist_gradient_boosting trained from 2018-03-05 on rows")


def test_what_a_model_takes_is_told(found: Evaluation) -> None:
    assert set(found.figures["cost"]) == {"scoring_ms", "training_seconds", "training_cpu_seconds"}
    assert all(value > 0 for value in found.figures["cost"].values())


def test_the_report_lies_where_it_was_asked_to(found: Evaluation, tmp_path: Path) -> None:
    page, data = found.write(tmp_path / "reports")
    assert page.name == "city-2018-03-13-2018-03-15.html"
    assert "60 minutes ahead" in page.read_text()
    assert json.loads(data.read_text()) == json.loads(json.dumps(found.figures))


def test_a_time_without_targets_is_refused() -> None:
    late = datetime(2019, 1, 1, tzinfo=UTC)
    with pytest.raises(WrongInput, match="city: no target was observed from 2019-01-01 00:00"):
        evaluate(HISTORY, small_specs(), "city", (late, late + DAY))

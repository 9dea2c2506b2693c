"""A planted bad batch is stopped at silver and at gold, and nothing of it is committed."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quality.refusal import BatchRefused
from specs.errors import GateFailed
from specs.loader import Specs
from tests.edited_specs import Edit, edited_specs
from tests.rows import reading
from tests.spark.pipeline import SILVER, Pipeline

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ml.score import LoadedModel

pytestmark = pytest.mark.spark

SCORES, KPI = "gold.congestion_scores", "gold.network_kpi"
SILVER_RULE: Edit = (
    "schemas/tables/silver.segment_metric.yaml",
    "id: mean_in_range, kind: between, column: speed_kmh_mean, min: 0.1, max: 250",
    "id: mean_in_range, kind: between, column: speed_kmh_mean, min: 0.1, max: 60",
)
GOLD_RULE: Edit = (
    "schemas/tables/gold.congestion_scores.yaml",
    "column: congestion_probability, min: 0, max: 1",
    "column: congestion_probability, min: 2, max: 3",
)


@pytest.fixture
def pipeline(
    spark: "SparkSession", tmp_path: Path, specs: Specs, champion: "LoadedModel"
) -> Pipeline:
    """A lake that has taken one good batch, and has one at hand that is half bad."""
    made = Pipeline(spark, tmp_path / "home", specs, champion)
    made.land(reading(0, 0, 50.0))
    made.run()
    made.land(reading(1, 10, 50.0), reading(2, 300, 80.0))
    return made


def state(pipeline: Pipeline) -> dict[str, Any]:
    return {name: pipeline.rows(name) for name in (SILVER, SCORES, KPI)} | pipeline.versions()


def refusals(pipeline: Pipeline) -> list[tuple[str, list[str]]]:
    rows = pipeline.lake().table("ops.validation_result").read().to_pylist()
    return [(row["table_name"], row["failed_ids"]) for row in rows if not row["is_success"]]


def test_a_bad_batch_is_stopped_at_silver(pipeline: Pipeline, tmp_path: Path) -> None:
    before = state(pipeline)
    with pytest.raises(BatchRefused, match=r"mean_in_range failed .*nothing was committed"):
        pipeline.run(edited_specs(tmp_path, SILVER_RULE))
    assert state(pipeline) == before
    assert refusals(pipeline) == [(SILVER, ["mean_in_range"])]
    dead = [json.loads(value) for _, value in pipeline.publisher.sent["segment_metric_dlq"]]
    assert {row["speed_kmh_mean"] for row in dead} == {80.0}
    assert {row["window_start"] for row in dead} >= {"2018-03-05T00:05:00.000000Z"}

    pipeline.run()  # the rule is mended: the batch comes again, and nothing is lost
    assert pipeline.primary("s:a", "event_count") == {0: (2,), 300: (1,)}


def test_a_bad_batch_is_stopped_at_gold(pipeline: Pipeline, tmp_path: Path) -> None:
    before = state(pipeline)
    with pytest.raises(BatchRefused, match=r"probability_in_range failed"):
        pipeline.run(edited_specs(tmp_path, GOLD_RULE))
    now = state(pipeline)
    assert {name: now[name] for name in (SCORES, KPI)} == {
        name: before[name] for name in (SCORES, KPI)
    }
    assert refusals(pipeline) == [(SCORES, ["probability_in_range"])]
    dead = [json.loads(value) for _, value in pipeline.publisher.sent["congestion_scores_dlq"]]
    assert {(row["window_start"], row["horizon_minutes"]) for row in dead} == {
        (f"2018-03-05T00:0{minute}:00.000000Z", horizon)
        for minute in (0, 5) for horizon in (15, 30, 60)
    }  # fmt: skip
    assert pipeline.primary("s:a", "event_count") == {0: (2,), 300: (1,)}

    pipeline.run()  # silver keeps what its own gate let pass; gold catches up
    assert len(pipeline.rows(SCORES)) == 2 * 3


def test_a_bad_recompute_is_stopped_too(pipeline: Pipeline, tmp_path: Path) -> None:
    before = state(pipeline)
    pipeline.specs = edited_specs(tmp_path, SILVER_RULE)
    with pytest.raises(GateFailed, match="mean_in_range failed"):
        pipeline.recompute()
    assert state(pipeline) == before
    assert refusals(pipeline) == [(SILVER, ["mean_in_range"])]


def test_a_stream_that_fails_while_its_driver_is_busy_still_fails(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    stream = pipeline.stream(edited_specs(tmp_path, SILVER_RULE))

    def busy() -> None:
        """Work beside the stream that takes until the query has ended."""
        deadline = time.monotonic() + 60
        while not stream._tables_side.has_failed and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)

    with pytest.raises(BatchRefused):
        pipeline.run(stream=stream, beside=busy)

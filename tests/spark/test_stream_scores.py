"""The stream's scores and indicators of final windows are those of a recompute."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from specs.errors import Unavailable
from specs.loader import Specs
from tests.memory_publisher import MemoryPublisher
from tests.rows import after, reading
from tests.spark.pipeline import DAY, Pipeline

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ml.score import LoadedModel

pytestmark = pytest.mark.spark

SCORES, KPI = "gold.congestion_scores", "gold.network_kpi"
SHADOW = "gold.shadow_score"


def test_scores_of_final_windows_are_those_of_a_recompute(
    spark: "SparkSession", tmp_path: Path, specs: Specs, champion: "LoadedModel"
) -> None:
    pipeline = Pipeline(spark, tmp_path / "home", specs, champion)
    seven = 7 * 3600
    pipeline.land(reading(0, seven, 30.0), reading(1, seven + 310, 80.0, segment_id="s:b"))
    pipeline.run()
    early = pipeline.rows(SCORES)
    # The first window changes under its score, and so does what the second looks back at.
    pipeline.land(reading(2, seven + 5, 90.0), reading(3, seven + 20, 20.0, segment_id="s:b"))
    pipeline.land(reading(4, seven + 620, 45.0), reading(5, seven + 2400, 70.0))
    pipeline.run()
    streamed = pipeline.rows(SCORES)
    assert [row for row in early if row in streamed] == []
    asked = {
        (row["segment_id"], (row["window_start"] - after(seven)).total_seconds(),
         row["horizon_minutes"]): row["is_final"]
        for row in streamed
    }  # fmt: skip
    assert asked == {
        (segment, start, horizon): start < 1800
        for segment, start in (
            ("s:a", 0), ("s:a", 600), ("s:a", 2400), ("s:b", 0), ("s:b", 300),
        )
        for horizon in (15, 30, 60)
    }  # fmt: skip
    assert {row["model_version"] for row in streamed} == {7}
    assert len({row["speed_kmh_predicted"] for row in streamed}) > 3
    kpis = pipeline.rows(KPI)

    assert pipeline.recompute_gold(DAY) == 0
    assert (pipeline.rows(SCORES), pipeline.rows(KPI)) == (streamed, kpis)


def test_late_readings_change_the_scores_of_every_window_that_looks_back_at_them(
    spark: "SparkSession", tmp_path: Path, specs: Specs, champion: "LoadedModel"
) -> None:
    pipeline = Pipeline(spark, tmp_path / "home", specs, champion)
    seven = 7 * 3600
    pipeline.land(reading(0, seven, 30.0), reading(1, seven + 300, 35.0), reading(2, seven + 9000))
    pipeline.run()
    before = pipeline.rows(SCORES, but=())
    pipeline.land(reading(3, seven + 10, 90.0))
    pipeline.run()
    assert pipeline.reconciler().reconcile() == 1 + 3
    revised = [row for row in pipeline.rows(SCORES, but=()) if row not in before]
    corrected, beside = after(seven), after(seven + 300)
    assert {(row["window_start"], row["revision"]) for row in revised} == {
        (corrected, 1), (beside, 0),
    }  # fmt: skip
    silver = pipeline.rows(but=())
    assert {(row["window_start"], row["revision"]) for row in silver
            if row["window_seconds"] == 300} >= {(corrected, 1), (beside, 0)}  # fmt: skip
    assert pipeline.recompute_gold(DAY) == 0


class FailingAt(MemoryPublisher):
    """Kafka is away at the n-th flush."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def flush(self) -> None:
        self._left -= 1
        if not self._left:
            raise Unavailable("Kafka is away")


def test_a_correction_that_ended_before_gold_is_finished_by_whoever_looks_next(
    spark: "SparkSession", tmp_path: Path, specs: Specs, champion: "LoadedModel"
) -> None:
    ended, undisturbed = (
        Pipeline(spark, tmp_path / name, specs, champion) for name in ("ended", "undisturbed")
    )
    seven = 7 * 3600
    for one in (ended, undisturbed):
        one.land(reading(0, seven, 30.0), reading(1, seven + 300, 35.0), reading(2, seven + 9000))
        one.run()
        one.land(reading(3, seven + 10, 90.0))
        one.run()
    ended.publisher = FailingAt(2)  # once for silver's rows, then for the scores
    with pytest.raises(Unavailable, match="away"):
        ended.reconciler().reconcile()
    ended.publisher = MemoryPublisher()
    assert ended.reconciler().reconcile() == 0
    undisturbed.reconciler().reconcile()
    for name in (SCORES, KPI):
        assert ended.rows(name, but=()) == undisturbed.rows(name, but=())


def test_a_challenger_scores_final_windows_apart_from_the_champion(
    spark: "SparkSession", tmp_path: Path, specs: Specs, champion: "LoadedModel"
) -> None:
    pipeline = Pipeline(spark, tmp_path / "home", specs, champion)
    pipeline.challenge(replace(champion, version=8, table=specs.tables[SHADOW]))
    seven = 7 * 3600
    pipeline.land(reading(0, seven, 30.0), reading(1, seven + 300, 35.0))
    pipeline.land(reading(2, seven + 2400, 70.0))
    pipeline.run()
    scored = {row["window_start"] for row in pipeline.rows(SCORES)}
    shadow = pipeline.rows(SHADOW)
    assert scored == {after(seven), after(seven + 300), after(seven + 2400)}
    assert {row["window_start"] for row in shadow} == {after(seven), after(seven + 300)}
    assert {row["model_version"] for row in shadow} == {8}
    assert {row["model_version"] for row in pipeline.rows(SCORES)} == {7}


def test_a_challenger_whose_rows_are_refused_leaves_the_stream_to_the_champion(
    spark: "SparkSession", tmp_path: Path, specs: Specs, champion: "LoadedModel"
) -> None:
    pipeline = Pipeline(spark, tmp_path / "home", specs, champion)
    pipeline.challenge(replace(champion, version=-1, table=specs.tables[SHADOW]))
    seven = 7 * 3600
    pipeline.land(reading(0, seven, 30.0))
    pipeline.land(reading(1, seven + 2400, 70.0))
    pipeline.run()
    assert pipeline.rows(SHADOW) == []
    assert {row["model_version"] for row in pipeline.rows(SCORES)} == {7}
    assert pipeline.challenger is None

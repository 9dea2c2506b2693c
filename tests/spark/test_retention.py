"""What retention has removed from bronze cannot take silver with it."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.jobs.recompute import Range
from specs.loader import Specs
from tests.rows import after, reading
from tests.spark.pipeline import BRONZE, NOTE, Pipeline

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

MIDNIGHT = 86_400


def test_windows_whose_readings_are_gone_stay_as_they_are(
    spark: "SparkSession", tmp_path: Path, specs: Specs
) -> None:
    pipeline = Pipeline(spark, tmp_path, specs)
    pipeline.land(reading(0, MIDNIGHT - 600), reading(1, MIDNIGHT - 300))
    pipeline.land(reading(2, MIDNIGHT), reading(3, MIDNIGHT + 3600))
    pipeline.run()
    before = pipeline.rows()
    assert pipeline.lake().table(BRONZE).expire(after(MIDNIGHT - 1), NOTE) == 2

    late, both_days = reading(4, MIDNIGHT - 590), Range(after(0), after(2 * MIDNIGHT))
    pipeline.land(late | {"landed_at": after(MIDNIGHT + 3700)})
    pipeline.run()
    assert pipeline.reconciler().reconcile() == 0
    assert pipeline.recompute(both_days) == 0
    assert pipeline.rows() == before

    shutil.rmtree(tmp_path / "checkpoint")  # the new stream sees the late reading in time
    pipeline.run()
    assert pipeline.rows() == before

"""Panes without a JVM are the panes of Spark, bit for bit."""

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.tables import Lake
from lakehouse.transforms.pane import distinct_readings, pane_aggregate
from lakehouse.transforms.reading_panes import EVENT_COLUMNS, reading_panes
from specs.loader import Specs
from tests.rows import reading, table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def made(count: int) -> list[dict[str, Any]]:
    """Readings of three segments over two hours, every twentieth without a speed, some twice."""
    random = Random(7)
    rows = []
    for number in range(count):
        speed = None if number % 20 == 0 else round(random.uniform(0.1, 249), 3)
        rows.append(
            reading(
                number, random.uniform(0, 7200), speed, segment_id=f"s:{number % 3}",
                vehicle_count=random.choice([None, 0, 3]), travel_time_s=random.uniform(1, 99),
                occupancy_ratio=random.choice([None, random.random()]),
            )
        )  # fmt: skip
    return rows + rows[:10]


def test_panes_of_a_table_at_hand_are_those_of_spark(
    spark: "SparkSession", tmp_path: Path, specs: Specs
) -> None:
    lake = Lake(tmp_path / "lake", specs)
    events = table(lake, "bronze.traffic_event", made(400)).select(EVENT_COLUMNS)
    readings = distinct_readings(spark.createDataFrame(events))
    theirs = pane_aggregate(readings, specs.transforms).toArrow()
    order = [("segment_id", "ascending"), ("pane_end", "ascending")]
    ours = reading_panes(events, specs.transforms).select(theirs.column_names)
    assert ours.schema.types == theirs.schema.types
    assert ours.cast(theirs.schema).sort_by(order).equals(theirs.sort_by(order))

from itertools import product

import pyarrow as pa

from lakehouse.sql import select
from ml.targets import longest_target, needed_rows, target_in_words, target_rows
from tests.unit.ml.tables import SPECS, silver


def test_only_a_city_that_asks_for_it_needs_its_longer_windows() -> None:
    kept = [
        (source, seconds)
        for source in ("aarhus", "city")
        for seconds in (300, 900)
        if silver([("a", 0, 50.0)], source=source, window_seconds=seconds)
        .filter(needed_rows(SPECS))
        .num_rows
    ]
    assert kept == [("aarhus", 300), ("aarhus", 900), ("city", 300)]


def test_a_quarter_hour_spans_three_primary_windows() -> None:
    assert longest_target(SPECS, ("city", "aarhus")) == 3
    assert longest_target(SPECS, ("city",)) == 1


def test_sql_asks_for_the_same_rows() -> None:
    rows = pa.concat_tables(
        silver([("a", number, 50.0)], source=source, window_seconds=seconds, vehicle_count=vehicles)
        for number, (source, seconds, vehicles) in enumerate(
            product(("aarhus", "city"), (300, 900), (None, 2, 3))
        )
    )
    view = SPECS.views["gold.model_quality_by_day"].model_copy(
        update={"query": "SELECT * FROM rows WHERE {is_target} ORDER BY window_start"}
    )
    asked = select(view.sql(SPECS.transforms, SPECS.ml.targets), rows=rows)
    taken = target_rows(rows, SPECS)
    assert asked["window_start"].to_pylist() == taken["window_start"].to_pylist()
    assert taken.num_rows == 1 + 3


def test_a_report_says_what_a_target_is() -> None:
    assert target_in_words(SPECS, "city") == "observed windows of 300 s"
    assert target_in_words(SPECS, "aarhus") == "observed windows of 900 s of at least 3 vehicles"

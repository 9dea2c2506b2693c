"""When a reading counts as returned by Trino: from the states of rows that were seen."""

import pyarrow as pa
import pytest

from benchmarks.through_trino import SEEN, returned_seconds
from lakehouse.commit import Note
from lakehouse.tables import Lake
from tests.rows import after, reading, table

BRONZE = "bronze.traffic_event"


def seen(*states: tuple[str, float, float, float]) -> pa.Table:
    """States of rows: segment, window's start, newest Kafka timestamp, and when it was seen."""
    rows = [(segment, *map(after, moments)) for segment, *moments in states]
    columns = zip(*rows, strict=True)
    return pa.table(
        [pa.array(one, kind) for one, kind in zip(columns, SEEN.types, strict=True)], schema=SEEN
    )


@pytest.fixture
def landed(lake: Lake) -> Lake:
    """Readings of seconds 1, 2 and 3, all landed at 3.5; and one that landed at 0.5."""
    rows = [reading(number, number, landed_at=after(3.5)) for number in (1, 2, 3)]
    rows.append(reading(9, 0.2, landed_at=after(0.5)))
    lake.table(BRONZE).append(table(lake, BRONZE, rows), Note(job="test", spec_version="v"))
    return lake


def test_a_reading_is_returned_with_the_first_state_that_reaches_it(landed: Lake) -> None:
    states = seen(("s:a", 0, 2, 5), ("s:a", 0, 3, 7))
    figures = returned_seconds(landed, states, after(1))
    assert figures["readings"] == 3
    # 5 - 1, 5 - 2 and 7 - 3 seconds
    assert figures["p50_seconds"] == pytest.approx(4)
    assert figures["p99_seconds"] == pytest.approx(4)


def test_a_reading_that_no_row_counts_was_not_returned(landed: Lake) -> None:
    others = (("s:b", 0, 9, 9), ("s:a", 300, 309, 310))
    figures = returned_seconds(landed, seen(("s:a", 0, 2, 5), *others), after(1))
    assert figures["readings"] == 2


def test_readings_before_the_measurement_are_left_out(landed: Lake) -> None:
    assert returned_seconds(landed, seen(("s:a", 0, 3, 7)), after(0))["readings"] == 4
    assert returned_seconds(landed, seen(("s:a", 0, 3, 7)), after(3.5))["readings"] == 0

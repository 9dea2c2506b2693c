"""The checksum sees every value and row, and no order, stamp or revision."""

from typing import Any

import pytest

from lakehouse.checksum import Checksum, checksum
from lakehouse.commit import Note
from lakehouse.tables import Lake
from tests.rows import after, metric, table

SILVER = "silver.segment_metric"
NOTE = Note(job="test", spec_version="v")
ROWS = [metric("s:a", 0), metric("s:a", 300), metric("s:b", 86_400)]


@pytest.fixture
def lakes(tmp_path: Any, specs: Any) -> Any:
    numbers = iter(range(9))

    def made(*batches: list[dict[str, Any]]) -> Checksum:
        lake = Lake(tmp_path / str(next(numbers)), specs)
        for rows in batches:
            lake.table(SILVER).merge(table(lake, SILVER, rows), NOTE)
        return checksum(lake, SILVER)

    return made


def test_order_batches_stamps_and_revisions_do_not_matter(lakes: Any) -> None:
    again = [row | {"committed_at": after(9), "revision": 2} for row in reversed(ROWS)]
    assert lakes(ROWS) == lakes(again[:1], again[1:]) == lakes(ROWS, ROWS)
    assert lakes(ROWS).rows == 3


@pytest.mark.parametrize(
    "change", [{"speed_kmh_p85": 45.000001}, {"vehicle_count": 0}, {"anomalies": ["standstill"]},
               {"is_final": True}, {"window_start": after(600)}],
)  # fmt: skip
def test_every_value_matters(lakes: Any, change: dict[str, Any]) -> None:
    assert lakes(ROWS) != lakes([ROWS[0] | change, *ROWS[1:]])


def test_every_row_matters_and_windows_may_be_chosen(lake: Lake) -> None:
    assert checksum(lake, SILVER) == Checksum(0, "0" * 16)
    lake.table(SILVER).append(table(lake, SILVER, [ROWS[0], ROWS[0]]), NOTE)
    twice = checksum(lake, SILVER)
    assert twice.rows == 2
    assert twice.sum != "0" * 16
    lake.table(SILVER).append(table(lake, SILVER, ROWS[2:]), NOTE)
    assert checksum(lake, SILVER, after(0), after(86_400)) == twice
    assert checksum(lake, SILVER, start=after(86_400)).rows == 1

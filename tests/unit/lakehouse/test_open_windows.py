"""The stream says the last word on each window: it is final once the watermark has passed it."""

from typing import Any

import pyarrow as pa

from lakehouse.jobs.open_windows import OpenWindows
from specs.arrow import arrow_schema
from specs.loader import load_specs
from tests.rows import after, metric

TABLE = load_specs().tables["silver.segment_metric"]
TIMESTAMP = pa.timestamp("us", tz="UTC")


def rows(*made: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(made), schema=arrow_schema(TABLE))


class Windows:
    """Open windows, asked in plain values."""

    def __init__(self, *opened: dict[str, Any]) -> None:
        self._windows = OpenWindows(rows(*opened))

    def upserts(self, *changed: dict[str, Any], watermark: float) -> list[dict[str, Any]]:
        moment, at = (pa.scalar(after(seconds), TIMESTAMP) for seconds in (watermark, 9000))
        found = self._windows.upserts(rows(*changed), moment, at)
        assert found.schema == arrow_schema(TABLE)
        return list(found.to_pylist())

    @property
    def opened(self) -> list[dict[str, Any]]:
        return list(self._windows.rows.to_pylist())


def test_an_untouched_window_becomes_final_when_the_watermark_reaches_its_end() -> None:
    row = metric("s:a", 0)
    windows = Windows(row)
    assert windows.upserts(watermark=299.999) == []
    assert windows.opened == [row]
    assert windows.upserts(watermark=300) == [row | {"is_final": True, "committed_at": after(9000)}]
    assert windows.opened == []


def test_a_window_is_closed_once() -> None:
    windows = Windows(metric("s:a", 0))
    windows.upserts(watermark=300)
    assert windows.upserts(watermark=600) == []


def test_a_changed_window_replaces_the_one_that_was_open() -> None:
    changed = metric("s:a", 0, event_count=2)
    windows = Windows(metric("s:a", 0))
    assert windows.upserts(changed, watermark=0) == [changed]
    assert windows.opened == [changed]


def test_a_window_that_changes_and_ends_in_one_batch_is_written_once() -> None:
    changed = metric("s:a", 0, event_count=2, is_final=True)
    windows = Windows(metric("s:a", 0))
    assert windows.upserts(changed, watermark=300) == [changed]
    assert windows.opened == []


def test_windows_of_one_start_and_different_lengths_are_different_windows() -> None:
    windows = Windows(metric("s:a", 0), metric("s:a", 0, window_seconds=900))
    closed = windows.upserts(watermark=300)
    assert [row["window_seconds"] for row in closed] == [300]
    assert [row["window_seconds"] for row in windows.opened] == [900]


def test_new_windows_stay_open_beside_the_old_ones() -> None:
    windows = Windows(metric("s:a", 0))
    windows.upserts(metric("s:b", 300), watermark=0)
    assert [row["segment_id"] for row in windows.opened] == ["s:a", "s:b"]


def test_a_corrected_window_keeps_its_revision_and_its_neighbour_stays() -> None:
    corrected, neighbour = metric("s:a", 0, revision=2), metric("s:b", 0)
    windows = Windows(corrected, neighbour)
    changed = metric("s:a", 0, event_count=2)
    assert windows.upserts(changed, watermark=0) == [changed | {"revision": 2}]
    assert windows.opened == [neighbour, changed | {"revision": 2}]

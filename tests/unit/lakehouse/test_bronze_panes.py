"""Panes of a stretch of bronze, summed up without Spark."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse.jobs import bronze_panes
from lakehouse.jobs.bronze_panes import BRONZE, BronzePanes
from lakehouse.jobs.checkpoint import Position
from lakehouse.jobs.windows import FAR_FUTURE
from lakehouse.tables import Lake
from lakehouse.transforms.reading_panes import reading_panes
from specs.loader import load_specs
from tests.rows import after, reading, table
from tests.spark.pipeline import NOTE

ENOUGH = 100


class Asked(Exception):
    """Spark was."""


def never() -> Iterator[None]:
    raise Asked


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three commits of bronze; the last one delivers two events again."""
    lake, offset = Lake(tmp_path / "lake", load_specs()), 0
    for seconds in ((0, 10, 299), (300, 301, 900), (301, 900, 86_400)):
        rows = [reading(second, second, offset=offset + n) for n, second in enumerate(seconds)]
        offset += len(rows)
        lake.table(BRONZE).append(table(lake, BRONZE, rows), NOTE)
    return lake


def panes(lake: Lake, first: float, last: float, reached: Position | None = None) -> list[object]:
    read = BronzePanes(lake, never, ENOUGH).read  # type: ignore[arg-type]
    found = read(start=after(first), end=after(last), reached=reached)
    return sorted(found.to_pylist(), key=lambda row: row["pane_end"])


def test_an_event_counts_once_in_its_pane(lake: Lake) -> None:
    events = lake.table(BRONZE).read()
    assert panes(lake, 0, 90_000) == sorted(
        reading_panes(events, lake.specs.transforms).to_pylist(), key=lambda row: row["pane_end"]
    )
    assert sum(row["event_count"] for row in panes(lake, 0, 90_000)) == 7  # type: ignore[index]


def test_the_stretch_is_half_open(lake: Lake) -> None:
    assert sum(row["event_count"] for row in panes(lake, 10, 301)) == 3  # type: ignore[index]
    assert panes(lake, 1000, 2000) == []


def test_pieces_give_what_the_whole_gives(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = panes(lake, 0, 90_000)
    for rows in (1, 2, 3):
        monkeypatch.setattr(bronze_panes, "ROWS_AT_ONCE", rows)
        assert panes(lake, 0, 90_000) == whole


def test_what_is_not_reached_does_not_count(lake: Lake) -> None:
    def counted(position: Position) -> int:
        return sum(row["event_count"] for row in panes(lake, 0, 90_000, position))  # type: ignore[index]

    assert [counted(Position(2, 0)), counted(Position(2, 1)), counted(Position(4, 0))] == [3, 6, 7]


def test_many_readings_are_for_spark(lake: Lake) -> None:
    read = BronzePanes(lake, never, 8).read  # type: ignore[arg-type]
    with pytest.raises(Asked):
        read(start=after(0), end=FAR_FUTURE)
    assert read(start=after(0), end=after(0) + timedelta(days=1)).num_rows

"""A range of windows is worked through day by day."""

from lakehouse.commit import Note
from lakehouse.jobs.recompute import Range
from lakehouse.tables import Lake
from specs.loader import Specs
from tests.rows import after, metric, table

DAY = 86_400
FEW = 500


def test_a_range_is_cut_at_midnights() -> None:
    parts = list(Range(after(-300), after(DAY + 600)).chunks(FEW))
    assert parts == [
        Range(after(-300), after(0)), Range(after(0), after(DAY)),
        Range(after(DAY), after(DAY + 600)),
    ]  # fmt: skip


def test_a_range_that_ends_at_midnight_has_no_empty_part() -> None:
    assert list(Range(after(0), after(DAY)).chunks(FEW)) == [Range(after(0), after(DAY))]


def test_a_range_within_a_day_is_one_part() -> None:
    assert list(Range(after(5), after(6)).chunks(FEW)) == [Range(after(5), after(6))]


def test_an_empty_range_has_no_part() -> None:
    assert list(Range(after(5), after(5)).chunks(FEW)) == []


def test_of_many_segments_a_day_is_cut_into_even_parts() -> None:
    parts = list(Range(after(3600), after(DAY)).chunks(6_000))
    assert parts == [Range(after(max(hour, 1) * 3600), after((hour + 8) * 3600))
                     for hour in (0, 8, 16)]  # fmt: skip


def test_an_hour_is_the_least() -> None:
    parts = list(Range(after(0), after(7200)).chunks(1_000_000))
    assert parts == [Range(after(0), after(3600)), Range(after(3600), after(7200))]


def test_a_range_reaches_back_to_the_windows_that_hold_its_first_one(specs: Specs) -> None:
    """Of 15 minutes, the primary ones of 5."""
    reached = Range(after(0), after(600)).reaching_back(specs.transforms)
    assert reached == Range(after(-600), after(600))


def test_a_range_holds_its_start_and_not_its_end(lake: Lake) -> None:
    silver = lake.table("silver.segment_metric")
    starts = (-300, 0, 300, 600, DAY)
    rows = [metric("s:a", seconds) for seconds in starts]
    silver.merge(table(lake, "silver.segment_metric", rows), Note(job="test", spec_version="v"))

    def inside(first: float, end: float) -> list[object]:
        where = Range(after(first), after(end)).window_starts()
        rows = silver.read(columns=["window_start"], where=where)
        return sorted(rows["window_start"].to_pylist())

    assert inside(0, 600) == [after(0), after(300)]
    assert inside(-300, 300) == [after(-300), after(0)]
    assert inside(600, DAY) == [after(600)]

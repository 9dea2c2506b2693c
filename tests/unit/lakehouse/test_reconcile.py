"""Late readings are found by counting bronze against silver, and only once."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from lakehouse.jobs.recompute import GoldRecompute, Range, SilverRecompute
from lakehouse.jobs.reconcile import Checked, Reconciler, final_until, touched_ranges, uncounted
from lakehouse.tables import Lake, Note
from tests.rows import after, metric, reading, table

BRONZE, SILVER = "bronze.traffic_event", "silver.segment_metric"
SCORES = "gold.congestion_scores"
NOTE = Note(job="test", spec_version="v")
MINUTES = timedelta(minutes=1)


def land(lake: Lake, *rows: dict[str, Any]) -> None:
    lake.table(BRONZE).append(table(lake, BRONZE, list(rows)), NOTE)


def stream(lake: Lake, *rows: dict[str, Any]) -> None:
    lake.table(SILVER).merge(table(lake, SILVER, list(rows)), NOTE)


def wrong(lake: Lake, final: float, checked: Checked | None = None) -> list[datetime]:
    return uncounted(lake, after(final), checked)[0]


def test_a_window_whose_events_are_all_counted_is_left_alone(lake: Lake) -> None:
    land(lake, reading(0, 0), reading(1, 299), reading(0, 0, offset=9))
    stream(lake, metric("s:a", 0, event_count=2, is_final=True))
    assert wrong(lake, 300) == []


def test_a_late_reading_is_found_by_its_window(lake: Lake) -> None:
    land(lake, reading(0, 0), reading(1, 300))
    stream(lake, metric("s:a", 0, is_final=True), metric("s:a", 300, is_final=True))
    land(lake, reading(2, 599.999999))
    assert wrong(lake, 600) == [after(300)]


def test_a_window_that_silver_lacks_altogether_is_found(lake: Lake) -> None:
    land(lake, reading(0, 0, segment_id="s:b"))
    stream(lake, metric("s:a", 0, is_final=True, event_count=1))
    land(lake, reading(1, 0))
    assert wrong(lake, 300) == [after(0)]


def test_a_window_that_counts_too_much_is_found(lake: Lake) -> None:
    land(lake, reading(0, 0))
    stream(lake, metric("s:a", 0, event_count=2, is_final=True))
    assert wrong(lake, 300) == [after(0)]


def test_a_row_of_silver_without_any_event_is_found(lake: Lake) -> None:
    land(lake, reading(0, 0))
    stream(lake, metric("s:a", 0), metric("s:b", 0))
    assert wrong(lake, 300) == [after(0)]


def test_counts_of_two_segments_do_not_make_up_for_each_other(lake: Lake) -> None:
    land(lake, reading(0, 0), reading(1, 0, segment_id="s:b"), reading(2, 0, segment_id="s:b"))
    stream(lake, metric("s:a", 0, event_count=2), metric("s:b", 0, event_count=1))
    assert wrong(lake, 300) == [after(0)]


def test_windows_that_the_stream_may_still_change_are_left_to_it(lake: Lake) -> None:
    land(lake, reading(0, 0), reading(1, 300))
    assert wrong(lake, 599) == [after(0)]
    assert wrong(lake, 600) == [after(0), after(300)]


def test_windows_on_both_sides_of_midnight_are_found(lake: Lake) -> None:
    land(lake, reading(0, -1), reading(1, 0))
    assert wrong(lake, 300) == [after(-300), after(0)]


def test_a_second_check_looks_at_new_readings_only(lake: Lake) -> None:
    land(lake, reading(0, 0), reading(1, 300))
    found, checked = uncounted(lake, after(600))
    assert found == [after(0), after(300)]
    assert checked == Checked({0: 1}, after(600))
    assert wrong(lake, 600, checked) == []
    land(lake, reading(2, 10))
    found, checked = uncounted(lake, after(600), checked)
    assert (found, checked.offsets) == ([after(0)], {0: 2})


def test_a_window_that_was_open_is_looked_at_once_it_is_final(lake: Lake) -> None:
    land(lake, reading(0, 0), reading(1, 300))
    _, checked = uncounted(lake, after(300))
    assert checked.offsets == {0: 1}
    assert wrong(lake, 600, checked) == [after(300)]


def test_a_reading_stamped_before_a_check_and_committed_after_it_is_found(lake: Lake) -> None:
    land(lake, reading(1, 0, landed_at=after(1000)))
    _, checked = uncounted(lake, after(300))
    stream(lake, metric("s:a", 0, is_final=True))
    land(lake, reading(2, 10, landed_at=after(999)))
    assert wrong(lake, 300, checked) == [after(0)]


def test_a_partition_that_was_empty_before_is_looked_at(lake: Lake) -> None:
    land(lake, reading(8, 0, partition=1))
    stream(lake, metric("s:a", 0, is_final=True))
    _, checked = uncounted(lake, after(300))
    for partition in (0, 2):
        land(lake, reading(partition, 10, partition=partition))
        found, checked = uncounted(lake, after(300), checked)
        assert found == [after(0)]
    assert checked.offsets == {0: 0, 1: 8, 2: 2}


def test_windows_are_final_up_to_the_newest_one_that_is(lake: Lake) -> None:
    assert final_until(lake) is None
    stream(lake, metric("s:a", 0), metric("s:a", 300))
    assert final_until(lake) is None
    stream(lake, metric("s:a", 0, is_final=True))
    assert final_until(lake) == after(300)


def test_ranges_that_meet_are_one() -> None:
    starts = [after(900), after(0), after(1800)]
    ranges = touched_ranges(starts, before=10 * MINUTES, after=5 * MINUTES)
    assert ranges == [Range(after(-600), after(1200 + 900))]
    apart = touched_ranges(starts, before=5 * MINUTES, after=5 * MINUTES)
    assert apart == [
        Range(after(-300), after(300)), Range(after(600), after(1200)),
        Range(after(1500), after(2100)),
    ]  # fmt: skip


def test_no_window_touches_no_range() -> None:
    assert touched_ranges([], before=MINUTES, after=MINUTES) == []


class Silver(SilverRecompute):
    """Remembers what it was asked for, and says it wrote a row each."""

    def __init__(self) -> None:
        self.asked: list[Range] = []

    def recompute(self, asked: Range) -> int:
        self.asked.append(asked)
        return 1


class Gold(GoldRecompute):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Range] = []
        self.is_up = True

    @property
    def has_model(self) -> bool:
        return self.is_up

    def recompute(self, asked: Range) -> int:
        self.asked.append(asked)
        return 0


Recomputes = tuple[Silver, Gold]


@pytest.fixture
def recomputes() -> Recomputes:
    return Silver(), Gold()


def test_nothing_is_recomputed_before_a_window_is_final(lake: Lake, recomputes: Recomputes) -> None:
    silver, gold = recomputes
    land(lake, reading(0, 0))
    assert Reconciler(lake, silver, lambda: gold).reconcile() == 0
    assert silver.asked == gold.asked == []


def test_every_window_that_holds_a_late_reading_is_recomputed_and_what_looks_back_at_it(
    lake: Lake, recomputes: Recomputes
) -> None:
    silver, gold = recomputes
    stream(lake, metric("s:a", 3000, is_final=True), metric("s:b", 1200, is_final=True))
    land(lake, reading(0, 3000), reading(1, 1200, segment_id="s:b"), reading(2, 1300))
    reconciler = Reconciler(lake, silver, lambda: gold)
    assert reconciler.reconcile() == 1
    # The 15-minute windows from 600 on hold it, and features look 12 windows back.
    assert silver.asked == [Range(after(600), after(1500))]
    assert gold.asked == [Range(after(1200), after(1200 + 13 * 300))]
    assert reconciler.reconcile() == 0
    assert len(silver.asked) == len(gold.asked) == 1


def test_windows_that_no_model_scored_are_scored_once_there_is_one(
    lake: Lake, recomputes: Recomputes
) -> None:
    silver, gold = recomputes
    starts = (0, 300, 600, 900, 1200)
    land(lake, *(reading(number, start) for number, start in enumerate(starts)))
    stream(lake, *(metric("s:a", start, is_final=True) for start in starts))
    score(lake, 300)
    score(lake, 900)
    reconciler = Reconciler(lake, silver, lambda: gold)
    gold.is_up = False
    reconciler.reconcile()
    assert gold.asked == []
    gold.is_up = True
    reconciler.reconcile()
    assert gold.asked == [Range(after(600), after(900))]  # 1200 is the stream's to score
    score(lake, 600)
    reconciler.reconcile()
    assert len(gold.asked) == 1


def score(lake: Lake, seconds: float) -> None:
    """A score of segment s:a's window that starts then."""
    start = after(seconds)
    row = {
        "segment_id": "s:a", "source": "s", "window_start": start, "window_date": start.date(),
        "horizon_minutes": 15, "target_start": start + 15 * MINUTES, "is_final": True,
        "congestion_probability": 0.5, "speed_kmh_predicted": 45.0, "model_name": "congestion",
        "model_version": 1, "revision": 0, "kafka_timestamp_max": start, "scored_at": start,
    }  # fmt: skip
    lake.table(SCORES).merge(table(lake, SCORES, [row]), NOTE)

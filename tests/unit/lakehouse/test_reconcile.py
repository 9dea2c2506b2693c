"""Late readings are found in the commits that the stream has taken in, and only once."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from deltalake import DeltaTable

from lakehouse.commit import Note, Step
from lakehouse.jobs.checkpoint import Told
from lakehouse.jobs.recompute import GoldRecompute, Range, SilverRecompute
from lakehouse.jobs.reconcile import Late, Reconciler, late, touched_ranges, uncounted
from lakehouse.tables import Lake
from specs.errors import Unavailable
from tests.rows import after, metric, reading, table
from tests.unit.lakehouse.test_checkpoint import finish, plan

BRONZE, SILVER, KPI = "bronze.traffic_event", "silver.segment_metric", "gold.network_kpi"
SCORES = "gold.congestion_scores"
NOTE = Note(job="test", spec_version="v")
MINUTES = timedelta(minutes=1)


def land(lake: Lake, *rows: dict[str, Any]) -> int:
    return lake.table(BRONZE).append(table(lake, BRONZE, list(rows)), NOTE).version


def stream(lake: Lake, *rows: dict[str, Any]) -> None:
    lake.table(SILVER).merge(table(lake, SILVER, list(rows)), NOTE)


def wrong(lake: Lake, watermark: float) -> list[datetime]:
    reached = Told(lake.table(BRONZE).version, after(watermark))
    return uncounted(lake, late(lake, -1, reached).starts)


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


def test_a_reading_that_another_process_has_just_landed_is_found(
    lake: Lake, tmp_path: Path
) -> None:
    land(lake, reading(0, 10))  # opens bronze as it is now
    land(Lake(tmp_path / "lake", lake.specs), reading(1, 20))
    stream(lake, metric("s:a", 0))
    assert wrong(lake, watermark=900) == [after(0)]


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


def test_only_commits_past_the_last_check_are_looked_at(lake: Lake) -> None:
    first = land(lake, reading(0, 0), reading(1, 300))
    assert late(lake, -1, Told(first, after(600))) == Late([after(0), after(300)], first)
    second = land(lake, reading(2, 10))
    assert late(lake, first, Told(second, after(600))) == Late([after(0)], second)
    assert late(lake, second, Told(second, after(600))) == Late([], second)


def test_commits_that_the_stream_has_not_taken_in_are_left_for_later(lake: Lake) -> None:
    taken = land(lake, reading(0, 0))
    land(lake, reading(1, 300))
    assert late(lake, -1, Told(taken, after(600))) == Late([after(0)], taken)


def test_a_reading_younger_than_the_watermark_is_not_late(lake: Lake) -> None:
    version = land(lake, reading(0, 300), reading(1, 600.000001))
    assert late(lake, version - 1, Told(version, after(600))) == Late([after(300)], version)


def test_a_late_reading_of_an_open_window_is_looked_at_once_that_is_final(lake: Lake) -> None:
    final = land(lake, reading(0, 0))
    still_open = land(lake, reading(1, 300), reading(2, 10))
    found = late(lake, -1, Told(still_open, after(599)))
    assert found == Late([after(0)], final)
    again = late(lake, found.through, Told(still_open, after(600)))
    assert again == Late([after(0), after(300)], still_open)


def test_at_the_end_of_a_run_open_windows_are_looked_at_too(lake: Lake) -> None:
    version = land(lake, reading(0, 0), reading(1, 300), reading(2, 700))
    found = late(lake, -1, Told(version, after(599)), with_open=True)
    assert found == Late([after(0), after(300)], version)


def test_rows_that_compaction_has_moved_are_no_new_readings(lake: Lake) -> None:
    land(lake, reading(0, 0))
    version = land(lake, reading(1, 300))
    DeltaTable(lake.folder(BRONZE)).optimize.compact()
    compacted = lake.table(BRONZE).refresh()
    assert compacted == version + 1
    assert late(lake, version, Told(compacted, after(900))) == Late([], compacted)


def test_all_readings_are_looked_at_where_the_log_was_cleaned(lake: Lake) -> None:
    for number in range(3):
        version = land(lake, reading(number, 300 * number))
    DeltaTable(lake.folder(BRONZE)).create_checkpoint()
    for cleaned in range(version):
        (lake.folder(BRONZE) / "_delta_log" / f"{cleaned:020}.json").unlink()
    found = late(lake, -1, Told(version, after(900)))
    assert found == Late([after(0), after(300), after(600)], version)


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
        self.is_up, self.is_away = True, False

    @property
    def has_model(self) -> bool:
        return self.is_up

    def recompute(self, asked: Range) -> int:
        if self.is_away:
            raise Unavailable("the commits kept conflicting")
        self.asked.append(asked)
        return 0


Recomputes = tuple[Silver, Gold]


@pytest.fixture
def recomputes() -> Recomputes:
    return Silver(), Gold()


class Streamed:
    """A checkpoint whose one batch has read all of bronze and told the tables."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self._lake, self.folder, self._batches = lake, folder, 0
        (folder / "metadata").write_text('{"id":"aff0a8b1"}')

    def batch(self, watermark: float) -> None:
        through = self._lake.table(BRONZE).refresh()
        plan(self.folder, self._batches, through + 1, watermark=after(watermark))
        finish(self.folder, self._batches)
        before = self._batches - 1 if self._batches else None
        step = Step("stream/aff0a8b1", before, self._batches)
        self._lake.table(KPI).append(table(self._lake, KPI, []), NOTE, [step])
        self._batches += 1


def test_nothing_is_recomputed_before_a_batch_was_told(
    lake: Lake, recomputes: Recomputes, tmp_path: Path
) -> None:
    silver, gold = recomputes
    land(lake, reading(0, 0))

    def never() -> NoReturn:
        pytest.fail("Spark is started for nothing")

    assert Reconciler(lake, tmp_path, never, lambda: gold).reconcile() == 0
    streamed = Streamed(lake, tmp_path)
    assert Reconciler(lake, tmp_path, never, lambda: gold).reconcile() == 0
    streamed.batch(watermark=299)
    assert Reconciler(lake, tmp_path, never, lambda: gold).reconcile() == 0
    assert silver.asked == gold.asked == []
    streamed.batch(watermark=300)
    assert Reconciler(lake, tmp_path, lambda: silver, lambda: gold).reconcile() == 1


def test_every_window_that_holds_a_late_reading_is_recomputed_and_what_looks_back_at_it(
    lake: Lake, recomputes: Recomputes, tmp_path: Path
) -> None:
    silver, gold = recomputes
    stream(lake, metric("s:a", 3000, is_final=True), metric("s:b", 1200, is_final=True))
    land(lake, reading(0, 3000), reading(1, 1200, segment_id="s:b"), reading(2, 1300))
    Streamed(lake, tmp_path).batch(watermark=3300)
    reconciler = Reconciler(lake, tmp_path, lambda: silver, lambda: gold)
    assert reconciler.reconcile() == 1
    assert silver.asked == [Range(after(600), after(1500))]  # the 15-minute windows that hold it
    assert gold.asked == [looking_back_at(lake, 1200)]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_gold_follows_a_correction_that_ended_once_silver_had_it(
    lake: Lake, tmp_path: Path, is_restarted: bool
) -> None:
    class Correcting(Silver):
        def recompute(self, asked: Range) -> int:
            stream(lake, metric("s:a", 300, event_count=2, revision=1, is_final=True))
            return super().recompute(asked)

    silver, gold = Correcting(), Gold()
    stream(lake, *(metric("s:a", start, is_final=True) for start in (0, 300, 600)))
    for start in (0, 300, 600):
        score(lake, start)
    land(lake, *(reading(start, start) for start in (0, 300, 600)))
    streamed = Streamed(lake, tmp_path)
    streamed.batch(watermark=900)
    reconciler = Reconciler(lake, tmp_path, lambda: silver, lambda: gold)
    reconciler.reconcile()
    land(lake, reading(1, 310))
    streamed.batch(watermark=900)
    gold.is_away = True
    with pytest.raises(Unavailable):
        reconciler.reconcile()
    gold.is_away = False
    if is_restarted:
        reconciler = Reconciler(lake, tmp_path, lambda: silver, lambda: gold)
    assert reconciler.reconcile() == 0
    assert gold.asked == [looking_back_at(lake, 300)]
    score(lake, 300, revision=1)
    reconciler.reconcile()
    assert len(gold.asked) == 1
    lake.table(SILVER).refresh()
    assert lake.table(SILVER).progress("scored/stream/aff0a8b1") == after(600).timestamp()


def test_what_was_found_complete_is_not_looked_at_again_after_a_restart(
    lake: Lake, recomputes: Recomputes, tmp_path: Path
) -> None:
    silver, gold = recomputes
    for start in (0, 300, 600):
        stream(lake, metric("s:a", start, is_final=True))
        score(lake, start)
        land(lake, reading(start, start))
    streamed = Streamed(lake, tmp_path)
    streamed.batch(watermark=900)
    Reconciler(lake, tmp_path, lambda: silver, lambda: gold).reconcile()
    # Somebody makes silver anew by hand, and gold after it; and the newest window was not scored.
    stream(lake, metric("s:a", 0, revision=1, is_final=True), metric("s:b", 600, is_final=True))
    land(lake, reading(1, 600, segment_id="s:b"))
    streamed.batch(watermark=900)
    Reconciler(lake, tmp_path, lambda: silver, lambda: gold).reconcile()
    assert gold.asked == [looking_back_at(lake, 600)]


def test_a_check_goes_on_where_the_last_one_ended_also_after_a_restart(
    lake: Lake, recomputes: Recomputes, tmp_path: Path
) -> None:
    silver, gold = recomputes
    streamed = Streamed(lake, tmp_path)
    for number, asked in enumerate([1, 2, 2]):
        if number < 2:
            land(lake, reading(number, 0))
        streamed.batch(watermark=300)
        Reconciler(lake, tmp_path, lambda: silver, lambda: gold).reconcile()
        assert len(silver.asked) == asked


def test_two_that_check_at_once_do_not_stop_each_other(
    lake: Lake, recomputes: Recomputes, tmp_path: Path
) -> None:
    silver, gold = recomputes
    land(lake, reading(0, 0))
    Streamed(lake, tmp_path).batch(watermark=300)

    class Overtaken(Silver):
        def recompute(self, asked: Range) -> int:
            Reconciler(lake, tmp_path, lambda: silver, lambda: gold).reconcile()
            return super().recompute(asked)

    assert Reconciler(lake, tmp_path, Overtaken, lambda: gold).reconcile() == 1
    assert len(silver.asked) == 1


def test_windows_that_no_model_scored_are_scored_once_there_is_one(
    lake: Lake, recomputes: Recomputes, tmp_path: Path
) -> None:
    silver, gold = recomputes
    starts = (0, 300, 600, 900, 1200)
    land(lake, *(reading(number, start) for number, start in enumerate(starts)))
    stream(lake, *(metric("s:a", start, is_final=start < 1200) for start in starts))
    score(lake, 300)
    score(lake, 900)
    Streamed(lake, tmp_path).batch(watermark=1200)
    reconciler = Reconciler(lake, tmp_path, lambda: silver, lambda: gold)
    gold.is_up = False
    reconciler.reconcile()
    assert gold.asked == []
    gold.is_up = True
    reconciler.reconcile()
    assert gold.asked == [looking_back_at(lake, 600)]  # 1200 is still open
    score(lake, 600)
    reconciler.reconcile()
    assert len(gold.asked) == 1
    reconciler.reconcile(with_open=True)
    assert gold.asked[1:] == [looking_back_at(lake, 1200)]


def test_a_window_that_was_open_at_the_last_look_is_scored_once_it_is_final(
    lake: Lake, recomputes: Recomputes, tmp_path: Path
) -> None:
    silver, gold = recomputes
    land(lake, reading(0, 0), reading(1, 300))
    stream(lake, metric("s:a", 0, is_final=True), metric("s:a", 300))
    score(lake, 0)
    streamed = Streamed(lake, tmp_path)
    streamed.batch(watermark=450)
    reconciler = Reconciler(lake, tmp_path, lambda: silver, lambda: gold)
    reconciler.reconcile()
    assert gold.asked == []
    stream(lake, metric("s:a", 300, is_final=True))
    land(lake, reading(2, 1200))
    streamed.batch(watermark=600)
    reconciler.reconcile()
    assert gold.asked == [looking_back_at(lake, 300)]


def looking_back_at(lake: Lake, seconds: float) -> Range:
    """The window that starts then, and those whose features look back at it."""
    return Range(after(seconds), after(seconds + 300 * (1 + lake.specs.ml.history_windows)))


def score(lake: Lake, seconds: float, revision: int = 0) -> None:
    """A score of segment s:a's window that starts then."""
    start = after(seconds)
    row = {
        "segment_id": "s:a", "source": "s", "window_start": start, "window_date": start.date(),
        "horizon_minutes": 15, "target_start": start + 15 * MINUTES, "is_final": True,
        "congestion_probability": 0.5, "speed_kmh_predicted": 45.0, "model_name": "congestion",
        "model_version": 1, "revision": revision, "kafka_timestamp_max": start, "scored_at": start,
    }  # fmt: skip
    lake.table(SCORES).merge(table(lake, SCORES, [row]), NOTE)

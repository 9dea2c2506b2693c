"""The API shows no part of a batch that is under way."""

from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse.commit import Note
from lakehouse.serving.current import Lookback
from lakehouse.serving.snapshot import Reader
from lakehouse.serving.versions import Batch, Mark, settled_version
from lakehouse.tables import Lake
from specs.errors import Unavailable
from specs.loader import Specs
from tests.rows import after, metric, segment, table

ROAD, SILVER = "silver.road_segment", "silver.segment_metric"
SCORES, KPI = "gold.congestion_scores", "gold.network_kpi"
OTHER = Note(job="recompute", spec_version="v")


def mark(version: int, seconds: float, batch_id: int | None) -> Mark:
    batch = None if batch_id is None else Batch(batch_id, (batch_id, batch_id))
    return Mark(version, after(seconds), batch)


def batch(batch_id: int) -> Note:
    return Note("stream", "v", batch_id=batch_id, source_versions=(batch_id, batch_id))


def score(
    segment_id: str, seconds: float, probability: float, **other: object
) -> dict[str, object]:
    start = after(seconds)
    return {
        "segment_id": segment_id, "source": "s", "window_start": start,
        "window_date": start.date(), "horizon_minutes": 15,
        "target_start": start + timedelta(minutes=15), "congestion_probability": probability,
        "speed_kmh_predicted": 30.0, "model_name": "congestion", "model_version": 7,
        "is_final": False, "revision": 0, "kafka_timestamp_max": start, "scored_at": start,
    } | other  # fmt: skip


def kpi(seconds: float) -> dict[str, object]:
    start = after(seconds)
    return {
        "source": "s", "window_start": start, "segment_count": 1, "congested_ratio": 0.5,
        "travel_time_index_mean": 1.2, "delay_s_total": 3.0, "vehicle_delay_h_total": None,
        "is_final": False, "committed_at": start,
    }  # fmt: skip


def test_a_finished_batch_is_shown() -> None:
    assert settled_version([mark(5, 9, 3), mark(4, 5, 2)], mark(2, 10, 3)) == 5


def test_a_batch_whose_kpis_are_missing_is_hidden() -> None:
    assert settled_version([mark(5, 12, 4), mark(4, 9, 3)], mark(2, 10, 3)) == 4


def test_what_stands_upon_a_hidden_batch_is_hidden_with_it() -> None:
    assert settled_version([mark(6, 13, None), mark(5, 12, 4), mark(4, 9, 3)], mark(2, 10, 3)) == 4


def test_a_correction_after_a_finished_batch_is_shown() -> None:
    assert settled_version([mark(5, 12, None), mark(4, 9, 3)], mark(2, 10, 3)) == 5


def test_a_stream_that_began_anew_does_not_hide_the_scores_of_the_old_one() -> None:
    # Batch 500 of the old stream stands before batch 3 of the new one, which had no model.
    assert settled_version([mark(9, 4, 500)], mark(2, 10, 3)) == 9


def test_the_first_batch_of_all_is_hidden_until_its_kpis_are_there() -> None:
    assert settled_version([mark(1, 12, 0), mark(0, 1, None)], None) == 0
    assert settled_version([mark(0, 12, 0)], None) is None


def put(lake: Lake, name: str, note: Note, *rows: dict[str, object]) -> None:
    lake.table(name).merge(table(lake, name, list(rows)), note)


@pytest.fixture
def reader(lake: Lake, specs: Specs) -> Reader:
    """Batch 0 is complete: window 300 of ``s:a`` with a score."""
    put(lake, ROAD, OTHER, segment("s:a"), segment("s:b"))
    put(lake, SILVER, batch(0), metric("s:a", 300))
    put(lake, SCORES, batch(0), score("s:a", 300, 0.25))
    put(lake, KPI, batch(0), kpi(300))
    made = Reader(lake.root, specs)
    assert made.refresh()
    return made


def shown(reader: Reader) -> dict[str, tuple[float, list[float]]]:
    """Seconds of the window, and the probabilities, by segment."""
    assert reader.snapshot is not None
    return {
        name: (
            (row.window_start - after(0)).total_seconds(),
            [forecast.congestion_probability for forecast in row.forecasts],
        )
        for name, row in reader.snapshot.current.by_segment.items()
    }


def test_silver_and_gold_of_a_batch_are_shown_at_once(reader: Reader, lake: Lake) -> None:
    assert shown(reader) == {"s:a": (300, [0.25])}
    put(lake, SILVER, batch(1), metric("s:a", 600, committed_at=after(10**9)))
    assert not reader.refresh()
    put(lake, SCORES, batch(1), score("s:a", 600, 0.75))
    assert not reader.refresh()
    put(lake, KPI, batch(1), kpi(600))
    assert reader.refresh()
    assert shown(reader) == {"s:a": (600, [0.75])}


def test_a_reader_that_starts_amid_a_batch_shows_the_one_before(
    reader: Reader, lake: Lake, specs: Specs
) -> None:
    put(lake, SILVER, batch(1), metric("s:a", 600, committed_at=after(10**9)))
    put(lake, SCORES, batch(1), score("s:a", 600, 0.75))
    late = Reader(lake.root, specs)
    assert late.refresh()
    assert shown(late) == {"s:a": (300, [0.25])}


def test_a_batch_that_only_closes_other_windows_has_no_gold_to_wait_for(
    reader: Reader, lake: Lake
) -> None:
    long = metric("s:a", 0, window_seconds=900, committed_at=after(10**9))
    put(lake, SILVER, batch(1), long)
    assert reader.refresh()


def test_a_forecast_from_another_revision_of_its_window_is_not_given(
    reader: Reader, lake: Lake
) -> None:
    put(lake, SILVER, OTHER, metric("s:a", 300, revision=1))
    assert reader.refresh()
    assert shown(reader) == {"s:a": (300, [])}
    put(lake, SCORES, OTHER, score("s:a", 300, 0.5, revision=1))
    assert reader.refresh()
    assert shown(reader) == {"s:a": (300, [0.5])}


def test_a_segment_that_fell_silent_is_not_shown_as_current(
    reader: Reader, lake: Lake, specs: Specs
) -> None:
    hour_later = 300 + 3600
    put(lake, SILVER, batch(1), metric("s:b", hour_later))
    put(lake, KPI, batch(1), kpi(hour_later))
    assert reader.refresh()
    assert shown(reader) == {"s:b": (hour_later, [])}
    assert reader.snapshot is not None
    then = reader.snapshot.standing_at(after(500), Lookback.of(specs)).by_segment
    assert list(then) == ["s:a"]


def test_a_reader_creates_nothing(tmp_path: Path, specs: Specs) -> None:
    with pytest.raises(Unavailable, match="traffic segment load"):
        Reader(tmp_path / "lake", specs).refresh()
    assert not (tmp_path / "lake").exists()

from pathlib import Path

from benchmarks.timed_backfill import linked
from ingestion.registration import register_segments
from lakehouse.commit import Note
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import load_specs


def test_a_round_writes_to_tables_of_its_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    whole = Lake(settings.lake, load_specs())
    register_segments(whole, "simulator", count=3)
    segments = whole.table("silver.road_segment")
    before = segments.refresh()

    mine = linked(settings, 1).table("silver.road_segment")
    assert mine.read().num_rows == 3
    mine.append(mine.read().slice(0, 1), Note("bench", "test"))

    assert mine.read().num_rows == 4
    assert (segments.refresh(), segments.read().num_rows) == (before, 3)
    assert Lake(settings.lake, load_specs()).table("silver.road_segment").read().num_rows == 3

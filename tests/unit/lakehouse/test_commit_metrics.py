"""What a commit wrote is counted, and how long its readings took to get there."""

from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.commit import Commit, Note, Step
from lakehouse.metrics import Metrics
from lakehouse.tables import Lake
from specs.errors import Fenced
from specs.loader import Specs
from tests.rows import reading, table

BRONZE, KPI = "bronze.traffic_event", "gold.network_kpi"
SILVER, SCORES = "silver.segment_metric", "gold.congestion_scores"
HOUR = 3600.0


@pytest.fixture
def watched(tmp_path: Path, specs: Specs) -> Lake:
    return Lake(tmp_path / "lake", specs, Metrics(specs.ops, "lander"))


def sample(lake: Lake, name: str) -> float:
    text = lake.metrics.text().decode()
    found = [line for line in text.splitlines() if line.startswith(name + " ")]
    assert len(found) <= 1
    return float(found[0].split()[-1]) if found else 0.0


def landed(lake: Lake, offsets: range, sent: tuple[int, int] | None, *steps: Step) -> Commit:
    rows = table(lake, BRONZE, [reading(offset, 60 * offset) for offset in offsets])
    return lake.table(BRONZE).append(rows, Note("land", "v", sent=sent), steps)


def streamed(lake: Lake, name: str, versions: tuple[int, int] | None, batch_id: int) -> Commit:
    rows = lake.table(name).schema.empty_table()
    note = Note("stream", "v", batch_id=batch_id, source_versions=versions)
    return lake.table(name).append(rows, note)


def now_ms(commit: Commit) -> int:
    return round(commit.committed_at.timestamp() * 1000)


def test_what_the_commit_reports_is_counted_and_a_refused_one_is_not(watched: Lake) -> None:
    rows = f'traffic_rows_written_total{{job="land",table="{BRONZE}"}}'
    commits = f'traffic_commit_duration_seconds_count{{table="{BRONZE}"}}'
    landed(watched, range(3), None, Step("land/0", None, 2))
    assert (sample(watched, rows), sample(watched, commits)) == (3, 1)
    with pytest.raises(Fenced):
        landed(watched, range(3, 9), None, Step("land/0", None, 8))
    assert (sample(watched, rows), sample(watched, commits)) == (3, 1)


def test_each_reading_counts_with_the_time_since_kafka_took_it(watched: Lake) -> None:
    at = now_ms(landed(watched, range(1), None))
    assert sample(watched, 'traffic_freshness_seconds_count{layer="bronze"}') == 0
    # Eleven readings over 100 s, the last one an hour ago: one within each ten seconds.
    landed(watched, range(1, 12), (at - 3_700_000, at - 3_600_000))
    assert sample(watched, 'traffic_freshness_seconds_count{layer="bronze"}') == 11
    total = sample(watched, 'traffic_freshness_seconds_sum{layer="bronze"}')
    assert total / 11 == pytest.approx(HOUR + 50, abs=20)


def test_the_stream_is_as_late_as_the_readings_of_its_bronze_commits(
    watched: Lake, specs: Specs
) -> None:
    first = landed(watched, range(2), None)
    ago = now_ms(first) - 3_600_000
    second = landed(watched, range(2, 5), (ago, ago))
    third = landed(watched, range(5, 9), (ago, ago))
    stream = Lake(watched.root, specs, Metrics(specs.ops, "stream"))
    streamed(stream, SILVER, (second.version, third.version), 4)
    streamed(stream, SCORES, (second.version, third.version), 4)
    streamed(stream, KPI, (second.version, third.version), 4)
    for layer in ("silver", "gold"):
        since_kafka, hop = (
            [sample(stream, f'{name}_{part}{{layer="{layer}"}}') for part in ("count", "sum")]
            for name in ("traffic_freshness_seconds", "traffic_processing_seconds")
        )
        assert since_kafka[0] == hop[0] == 7
        assert since_kafka[1] / 7 == pytest.approx(HOUR, abs=20)
        assert 0 <= hop[1] / 7 < 20
    streamed(stream, SCORES, None, 5)
    assert sample(stream, 'traffic_freshness_seconds_count{layer="gold"}') == 7


def test_a_bronze_commit_that_was_cleaned_away_is_left_out(watched: Lake, specs: Specs) -> None:
    landed(watched, range(1), None)
    ago = now_ms(landed(watched, range(1, 2), None)) - 1000
    gone, kept = (landed(watched, range(n, n + 2), (ago, ago)).version for n in (2, 4))
    (watched.folder(BRONZE) / "_delta_log" / f"{gone:020d}.json").unlink()
    stream = Lake(watched.root, specs, Metrics(specs.ops, "stream"))
    streamed(stream, SILVER, (gone, kept), 1)
    assert sample(stream, 'traffic_freshness_seconds_count{layer="silver"}') == 2


def test_rows_of_a_merge_are_counted_once_each(watched: Lake) -> None:
    rows = table(watched, BRONZE, [reading(0, 0), reading(1, 60)])
    watched.table(BRONZE).merge(rows, Note("land", "v"))
    more = pa.concat_tables([rows, table(watched, BRONZE, [reading(2, 120)])])
    watched.table(BRONZE).merge(more, Note("land", "v"))
    assert sample(watched, f'traffic_rows_written_total{{job="land",table="{BRONZE}"}}') == 5

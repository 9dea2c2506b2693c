"""The gold side of the stream, after a restart in front of hours to catch up with."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakehouse.commit import Note
from lakehouse.jobs.gold import Gold
from lakehouse.jobs.recompute import GoldRecompute, Range
from lakehouse.jobs.segments import Segments
from lakehouse.journal import Journal
from lakehouse.tables import Lake
from ml.score import LoadedModel
from specs.errors import Unavailable
from specs.loader import Specs
from tests.champion import wave_champion
from tests.memory_publisher import MemoryPublisher
from tests.rows import after, metric, segment, table

SILVER, SCORES, ROAD = "silver.segment_metric", "gold.congestion_scores", "silver.road_segment"
SHADOW = "gold.shadow_score"
NOTE = Note(job="stream", spec_version="v")
HISTORY, HOURS = range(60), range(60, 160)
"""Windows of five minutes: those scored before, and eight hours that come in one batch."""


class Champion:
    """A registry whose champion never changes; without ``challenger`` it has none."""

    def __init__(self, model: LoadedModel, challenger: LoadedModel | None = None) -> None:
        self.model, self.challenger = model, challenger

    def close(self) -> None:
        """Nothing to stop."""


@pytest.fixture(scope="module")
def champion() -> LoadedModel:
    return wave_champion()


def windows(numbers: range, **other: Any) -> list[dict[str, Any]]:
    """Rows of two segments whose speeds rise and fall."""
    return [
        metric(
            name, 300.0 * number, speed_kmh_mean=(speed := 60 + 35 * math.sin(number / period)),
            is_congested=speed < 54, **other,
        )
        for name, period in (("s:a", 7), ("s:b", 11)) for number in numbers
    ]  # fmt: skip


def silver_lake(root: Path, specs: Specs, rows: list[dict[str, Any]]) -> Lake:
    lake = Lake(root, specs)
    lake.table(ROAD).merge(table(lake, ROAD, [segment("s:a"), segment("s:b")]), NOTE)
    lake.table(SILVER).merge(table(lake, SILVER, rows), NOTE)
    return lake


def scored(lake: Lake) -> list[dict[str, Any]]:
    rows = lake.table(SCORES).read().to_pylist()
    for row in rows:
        del row["scored_at"]
    return sorted(rows, key=lambda r: (r["segment_id"], r["window_start"], r["horizon_minutes"]))


LEFT_OPEN = range(57, 60)
"""Windows that were open before the hours came, and are final with them."""


@pytest.mark.parametrize("left_open", [range(0), LEFT_OPEN], ids=["none", "three"])
def test_hours_that_come_in_one_batch_are_scored_as_a_recompute_would(
    tmp_path: Path, specs: Specs, champion: LoadedModel, left_open: range
) -> None:
    ended = range(len(HISTORY) - len(left_open))
    before = [*windows(ended, is_final=True), *windows(left_open)]
    hours, final = windows(HOURS), windows(HOURS, is_final=True)
    closing = windows(left_open, is_final=True)
    lake = silver_lake(tmp_path / "stream", specs, before)
    publisher = MemoryPublisher()
    journal = Journal(lake, [])
    gold = Gold(lake, Segments(lake), journal, publisher, Champion(champion))  # type: ignore[arg-type]
    batches = ((hours, [*windows(left_open), *hours]), ([*closing, *final], []))
    for batch_id, (rows, opened) in enumerate(batches):
        changed = table(lake, SILVER, rows)
        lake.table(SILVER).merge(changed, NOTE)
        still_open = table(lake, SILVER, opened)
        gold.score(changed, still_open, NOTE, "stream", batch_id)
        gold.sum_up(changed, still_open, NOTE, "stream", batch_id)

    again = silver_lake(
        tmp_path / "again", specs, [*windows(ended, is_final=True), *closing, *final]
    )
    asked = Range(after(300.0 * (HOURS.start - len(left_open))), after(300.0 * HOURS.stop))
    GoldRecompute(again, champion, publisher).recompute(asked)
    windows_scored = len(left_open) + len(HOURS)
    assert len(scored(lake)) == 2 * windows_scored * len(specs.ml.horizons_minutes)
    assert scored(lake) == scored(again)


def test_a_challenger_whose_rows_could_not_be_committed_scores_the_next_batch(
    tmp_path: Path, specs: Specs, champion: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = silver_lake(tmp_path, specs, windows(HISTORY, is_final=True))
    challenger = replace(champion, version=8, table=specs.tables[SHADOW])
    models = Champion(champion, challenger)
    gold = Gold(lake, Segments(lake), Journal(lake, []), MemoryPublisher(), models)  # type: ignore[arg-type]

    def conflict(*_: Any) -> None:
        raise Unavailable("others commit all the time")

    merge = gold.shadow.merge
    for batch_id, commit in enumerate((conflict, merge)):
        first = HOURS.start + batch_id
        changed = table(lake, SILVER, windows(range(first, first + 1), is_final=True))
        lake.table(SILVER).merge(changed, NOTE)
        monkeypatch.setattr(gold.shadow, "merge", commit)
        gold.score(changed, table(lake, SILVER, []), NOTE, "stream", batch_id)
    shadow = lake.table(SHADOW).read().to_pylist()
    assert {row["window_start"] for row in shadow} == {after(300.0 * (HOURS.start + 1))}
    assert {row["model_version"] for row in shadow} == {8}

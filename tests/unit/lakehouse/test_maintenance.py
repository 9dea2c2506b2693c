"""Tables stay small however often they are committed to, and readers find what they need."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from lakehouse import tables
from lakehouse.commit import Note, Step
from lakehouse.delta_log import log_files
from lakehouse.jobs.maintenance import Upkeep, maintain
from lakehouse.ledger import project
from lakehouse.location import GAPS
from lakehouse.tables import Lake, LakeTable
from tests.edited_specs import edited_specs
from tests.rows import after, metric, reading, table

pytestmark = pytest.mark.slow

BRONZE, SILVER, LEDGER = "bronze.traffic_event", "silver.segment_metric", "ops.ledger"
NOTE = Note(job="test", spec_version="v", verdicts={"landed": 1})
RULES = {
    "log_minutes: 10 ": "log_minutes: 0 ",
    "replaced_file_hours: 1 ": "replaced_file_hours: 0 ",
}
COMMITS, ROUND = 80, 40


@pytest.fixture
def hasty(tmp_path: Path) -> Lake:
    """A lake whose logs and replaced files are kept for no time at all."""
    edits = [("ops.yaml", rule, hasty) for rule, hasty in RULES.items()]
    return Lake(tmp_path / "lake", edited_specs(tmp_path, *edits))


def has_read(folder: Path, version: int) -> Path:
    """A checkpoint of a stream that has read bronze through ``version``."""
    offset = {"reservoirVersion": version + 1, "index": -1}
    for part in ("offsets", "commits"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "offsets" / "0").write_text(f'v1\n{{"batchWatermarkMs": 0}}\n{json.dumps(offset)}')
    (folder / "commits" / "0").write_text("v1\n{}")
    return folder


@pytest.mark.parametrize(("conflicts", "postponed"), [(2, False), (1000, True)])
def test_a_vacuum_that_meets_a_commit_is_begun_again_and_ends_no_maintenance(
    hasty: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conflicts: int, postponed: bool
) -> None:
    silver, vacuum, met = hasty.table(SILVER), DeltaTable.vacuum, [0]
    for number in range(3):
        silver.merge(table(hasty, SILVER, [metric("s:a", 0, revision=number)]), NOTE)

    def conflicting(*arguments: Any, **options: Any) -> list[str]:
        met[0] += 1
        if met[0] <= conflicts:
            raise CommitFailedError("a concurrent transaction deleted data this operation read")
        return vacuum(*arguments, **options)

    monkeypatch.setattr(DeltaTable, "vacuum", conflicting)
    upkeep = of(maintain(hasty, tmp_path / "none", now()), SILVER)
    assert ("met other writers' commits" in upkeep.postponed) == postponed
    assert (upkeep.vacuumed_files > 0) != postponed


def test_a_listing_with_a_gap_postpones_the_rest_of_a_table(
    hasty: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty.table(SILVER).merge(table(hasty, SILVER, [metric("s:a", 0)]), NOTE)

    def compact(*_: object, **__: object) -> tuple[int, int]:
        raise DeltaError(f"Kernel error: {said}")

    monkeypatch.setattr(LakeTable, "compact", compact)
    said = f"{GAPS[0]}, but found gap"
    (done,) = maintain(hasty, tmp_path / "none", datetime.now(UTC))
    assert said in done.postponed
    said = "disk on fire"
    with pytest.raises(DeltaError, match=said):
        maintain(hasty, tmp_path / "none", datetime.now(UTC))


def age(lake: Lake, name: str, seconds: float) -> None:
    """Make the files in the log older."""
    for path in (lake.folder(name) / "_delta_log").iterdir():
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def of(done: list[Upkeep], name: str) -> Upkeep:
    return next(upkeep for upkeep in done if upkeep.table == name)


def now() -> datetime:
    return datetime.now(UTC)


def replaced_named(lake: Lake, name: str) -> int:
    """Replaced files that the newest checkpoint names."""
    newest = max(lake.folder(name).glob("_delta_log/*.checkpoint.parquet"))
    return len(pq.read_table(newest)["remove"].drop_null())


@pytest.mark.parametrize("minutes", [0, 20])
def test_checkpoints_name_replaced_files_for_some_minutes(
    hasty: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    monkeypatch.setattr(tables, "MINUTES_TO_VACUUM", minutes)
    silver = hasty.table(SILVER)
    for number in range(13):
        silver.merge(table(hasty, SILVER, [metric("s:a", 0, revision=number)]), NOTE)
    maintain(hasty, tmp_path / "none", now())
    assert len(list(hasty.folder(SILVER).glob("*/*.parquet"))) <= 1
    silver.checkpoint()
    assert (replaced_named(hasty, SILVER) > 0) == (minutes > 0)


def test_an_older_table_is_configured_once(
    hasty: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silver = hasty.table(SILVER)
    monkeypatch.setattr(tables, "MINUTES_TO_VACUUM", 5)
    for _ in range(2):
        maintain(Lake(hasty.root, hasty.specs), tmp_path / "none", now())
        assert silver.refresh() == 1


def young(number: int) -> dict[str, Any]:
    return reading(number, number, landed_at=now())


def test_files_and_logs_stay_few_at_a_commit_a_second(hasty: Lake, tmp_path: Path) -> None:
    bronze, silver = hasty.table(BRONZE), hasty.table(SILVER)
    most = {BRONZE: (0, 0), SILVER: (0, 0), LEDGER: (0, 0)}
    for number in range(COMMITS):
        rows = table(hasty, BRONZE, [young(number)])
        before = number - 1 if number else None
        bronze.append(rows, NOTE, [Step("land/0", before, number)])
        silver.merge(
            table(hasty, SILVER, [metric("s:a", number // 60 * 300, committed_at=now())]), NOTE
        )
        project(hasty, [BRONZE])
        if number % ROUND == ROUND - 1:
            for name in most:
                age(hasty, name, 60)
            for _ in range(2):  # the second time the stream has read the compaction too
                folder = has_read(tmp_path / "checkpoint", bronze.refresh())
                done = maintain(hasty, folder, now())
            for name in most:
                upkeep = of(done, name)
                most[name] = max(most[name][0], upkeep.files), max(most[name][1], upkeep.log_files)
    assert {name: files <= 12 and logs <= 110 for name, (files, logs) in most.items()} == (
        dict.fromkeys(most, True)
    ), most
    on_disk = len(list(hasty.folder(BRONZE).rglob("*.parquet")))
    assert on_disk < ROUND
    fresh = Lake(hasty.root, hasty.specs)
    offsets = fresh.table(BRONZE).read(columns=["offset"])["offset"]
    assert sorted(offsets.to_pylist()) == list(range(COMMITS))
    assert fresh.table(BRONZE).progress("land/0") == COMMITS - 1
    assert fresh.table(SILVER).read().num_rows == COMMITS // 60 + 1
    noted = fresh.table(LEDGER).read()
    assert pc.sum(noted["rows_written"]).as_py() == COMMITS


def test_what_the_stream_has_not_read_stays(hasty: Lake, tmp_path: Path) -> None:
    bronze = hasty.table(BRONZE)
    for number in range(60):
        bronze.append(table(hasty, BRONZE, [young(number)]), NOTE)
    project(hasty, [BRONZE])
    files = set(bronze.dataset().files)
    bronze.checkpoint()
    age(hasty, BRONZE, 7200)
    folder = has_read(tmp_path / "checkpoint", 30)
    upkeep = of(maintain(hasty, folder, now()), BRONZE)
    assert upkeep.postponed == "vacuum waits for the stream"
    assert upkeep.compacted == 60
    here = {path.relative_to(hasty.folder(BRONZE)).as_posix()
            for path in hasty.folder(BRONZE).rglob("*.parquet")}  # fmt: skip
    assert files <= here
    kept = {file.version for file in log_files(hasty.folder(BRONZE)) if file.is_commit}
    assert set(range(30, 61)) <= kept

    upkeep = of(maintain(hasty, has_read(folder, bronze.refresh()), now()), BRONZE)
    assert upkeep.vacuumed_files == 60
    assert upkeep.cleaned_log_files > 0
    assert hasty.table(BRONZE).read().num_rows == 60


def test_commits_in_which_late_readings_were_not_looked_for_stay(
    hasty: Lake, tmp_path: Path
) -> None:
    bronze, silver = hasty.table(BRONZE), hasty.table(SILVER)
    for number in range(60):
        bronze.append(table(hasty, BRONZE, [young(number)]), NOTE)
    project(hasty, [BRONZE])
    bronze.checkpoint()
    age(hasty, BRONZE, 7200)
    folder = has_read(tmp_path / "checkpoint", bronze.version)
    (folder / "metadata").write_text('{"id":"aff0a8b1"}')
    nothing = silver.schema.empty_table()
    silver.append(nothing, NOTE, [Step("reconcile/stream/aff0a8b1", None, 30)])
    maintain(hasty, folder, now())
    kept = {file.version for file in log_files(hasty.folder(BRONZE)) if file.is_commit}
    assert set(range(30, 61)) <= kept

    silver.append(nothing, NOTE, [Step("reconcile/stream/aff0a8b1", 30, bronze.refresh())])
    assert of(maintain(hasty, folder, now()), BRONZE).cleaned_log_files > 0


def test_a_stream_that_stands_before_a_compaction_finds_its_files_when_it_starts_again(
    hasty: Lake, tmp_path: Path
) -> None:
    bronze = hasty.table(BRONZE)
    for number in range(20):
        bronze.append(table(hasty, BRONZE, [young(number)]), NOTE)
    folder, read = has_read(tmp_path / "checkpoint", bronze.version), bronze.version
    upkeep = of(maintain(hasty, folder, now()), BRONZE)
    assert (upkeep.compacted, upkeep.postponed) == (20, "vacuum waits for the stream")
    assert bronze.at(read).to_table(["offset"]).num_rows == 20


def test_the_ledger_gets_every_commit_before_the_log_forgets_it(
    hasty: Lake, tmp_path: Path
) -> None:
    bronze = hasty.table(BRONZE)
    for number in range(60):
        bronze.append(table(hasty, BRONZE, [young(number)]), NOTE)
        if number == 9:
            project(hasty, [BRONZE])
    age(hasty, BRONZE, 7200)
    maintain(hasty, has_read(tmp_path / "checkpoint", bronze.refresh()), now())
    assert project(hasty, [BRONZE]) == 0
    hasty.table(LEDGER).refresh()
    versions = hasty.table(LEDGER).read(columns=["table_version"])["table_version"].to_pylist()
    assert sorted(versions) == list(range(1, 60 + 2))  # and the compaction


def test_a_reader_of_an_older_version_is_not_cut_off_within_the_hour(
    lake: Lake, tmp_path: Path
) -> None:
    bronze = lake.table(BRONZE)
    for number in range(20):
        bronze.append(table(lake, BRONZE, [young(number)]), NOTE)
    reader = Lake(lake.root, lake.specs).table(BRONZE)
    upkeep = of(maintain(lake, has_read(tmp_path / "checkpoint", 20), now()), BRONZE)
    assert (upkeep.compacted, upkeep.files) == (20, 1)
    assert (upkeep.vacuumed_files, upkeep.cleaned_log_files) == (0, 0)
    assert reader.read().num_rows == 20


def test_a_day_goes_once_nothing_in_it_arrived_within_the_retention(
    hasty: Lake, tmp_path: Path
) -> None:
    bronze, days = hasty.table(BRONZE), timedelta(days=hasty.specs.ops.retention[BRONZE].days)
    bronze.append(table(hasty, BRONZE, [reading(0, 0), reading(1, 86_400)]), NOTE)
    bronze.append(table(hasty, BRONZE, [reading(2, 10, landed_at=after(90_000))]), NOTE)
    folder = has_read(tmp_path / "checkpoint", 2)

    def left(moment: datetime) -> list[str]:
        maintain(hasty, folder, moment)
        return sorted(hasty.table(BRONZE).read(columns=["event_id"])["event_id"].to_pylist())

    assert left(after(86_399) + days) == ["e0", "e1", "e2"]
    assert left(after(86_401) + days) == ["e0", "e2"]  # a reading of the first day came late
    assert left(after(90_001) + days) == []


def test_a_table_without_days_loses_its_old_rows(hasty: Lake, tmp_path: Path) -> None:
    bronze = hasty.table(BRONZE)
    bronze.append(table(hasty, BRONZE, [reading(0, 0)]), NOTE)
    project(hasty, [BRONZE])
    kept = timedelta(days=hasty.specs.ops.retention[LEDGER].days)
    folder = has_read(tmp_path / "checkpoint", 1)
    assert of(maintain(hasty, folder, now() + kept - timedelta(hours=1)), LEDGER).expired_rows == 0
    done = of(maintain(hasty, folder, now() + kept + timedelta(hours=1)), LEDGER)
    assert done.expired_rows == 2  # the append, and bronze's own expiry

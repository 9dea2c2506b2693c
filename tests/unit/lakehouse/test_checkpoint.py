"""What a checkpoint says of a batch: the bronze versions it reads, its watermark."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse.jobs.batch_note import EPOCH, BatchNote, keep, noted
from lakehouse.jobs.checkpoint import (
    NAMES_FIRST,
    Position,
    last_finished,
    position,
    read_options,
    read_through,
    span,
    writer,
)


def plan(
    folder: Path, batch: int, version: int, index: int = -1, watermark: datetime = EPOCH
) -> None:
    """Write plan and note of a batch that ends before entry ``index`` + 1 of ``version``."""
    metadata = {"batchWatermarkMs": 0, "batchTimestampMs": 1, "conf": {}}
    offset = {"sourceVersion": 3, "reservoirVersion": version, "index": index}
    (folder / "offsets").mkdir(exist_ok=True)
    (folder / "commits").mkdir(exist_ok=True)
    lines = ["v1", json.dumps(metadata), json.dumps(offset)]
    (folder / "offsets" / str(batch)).write_text("\n".join(lines))
    keep(folder, batch, BatchNote(watermark))


def finish(folder: Path, batch: int) -> None:
    (folder / "commits" / str(batch)).write_text('v1\n{"nextBatchWatermarkMs":0}')
    (folder / "commits" / f".{batch}.crc").write_bytes(b"crc")


def test_the_first_batch_reads_from_version_0(tmp_path: Path) -> None:
    plan(tmp_path, 0, version=3)
    assert span(tmp_path, 0).versions == (0, 2)


def test_a_batch_reads_from_where_the_one_before_it_ended(tmp_path: Path) -> None:
    plan(tmp_path, 0, version=3)
    plan(tmp_path, 1, version=4)
    assert span(tmp_path, 1).versions == (3, 3)


def test_a_batch_that_stops_inside_a_version_counts_it_as_read(tmp_path: Path) -> None:
    plan(tmp_path, 0, version=3, index=0)
    plan(tmp_path, 1, version=3, index=5)
    plan(tmp_path, 2, version=5, index=-1)
    assert [span(tmp_path, batch).versions for batch in range(3)] == [(0, 3), None, (4, 4)]


def test_a_position_says_how_many_files_of_its_version_are_read(tmp_path: Path) -> None:
    plan(tmp_path, 0, version=3, index=-1)
    plan(tmp_path, 1, version=3, index=0)
    assert [position(tmp_path, batch) for batch in range(2)] == [Position(3, 0), Position(3, 1)]


def test_a_batch_that_only_moves_the_watermark_reads_no_version(tmp_path: Path) -> None:
    plan(tmp_path, 0, version=3)
    plan(tmp_path, 1, version=3, watermark=datetime(2018, 3, 5, 0, 0, 0, 123_456, UTC))
    found = span(tmp_path, 1)
    assert found.versions is None
    assert found.watermark == datetime(2018, 3, 5, 0, 0, 0, 123_456, UTC)


def test_of_a_batch_that_was_planned_and_not_noted_nothing_is_made_up(tmp_path: Path) -> None:
    plan(tmp_path, 0, version=1)
    (tmp_path / "notes" / "0").unlink()
    with pytest.raises(FileNotFoundError):
        span(tmp_path, 0)


def test_the_notes_of_the_newest_batches_are_kept(tmp_path: Path) -> None:
    for batch in range(12):
        keep(tmp_path, batch, BatchNote(duplicate=batch))
    assert sorted(int(path.name) for path in (tmp_path / "notes").iterdir()) == [*range(2, 12)]
    assert noted(tmp_path, 11) == BatchNote(EPOCH, duplicate=11)
    assert noted(tmp_path, 11).verdicts == {"duplicate": 11}


def test_bronze_is_read_as_far_as_the_newest_finished_batch(tmp_path: Path) -> None:
    assert read_through(tmp_path) == -1
    for batch, version in enumerate((2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24)):
        plan(tmp_path, batch, version)
    assert read_through(tmp_path) == -1
    for batch in range(11):
        finish(tmp_path, batch)
    assert last_finished(tmp_path) == 10  # newer than batch 9
    assert read_through(tmp_path) == 21


def test_a_stream_is_known_by_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "metadata").write_text('{"id":"aff0a8b1"}')
    assert writer(tmp_path) == "stream/aff0a8b1"


def test_a_plan_that_is_absent_is_no_empty_plan(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        span(tmp_path, 0)


def test_a_stream_begins_with_the_first_commit_or_with_all_that_a_cleaned_table_holds(
    tmp_path: Path,
) -> None:
    log, checkpoint = tmp_path / "table" / "_delta_log", tmp_path / "checkpoint"
    log.mkdir(parents=True)
    checkpoint.mkdir()
    asked = (tmp_path / "table", checkpoint, 5)
    from_the_first = {"startingVersion": "0", "maxBytesPerTrigger": "5", **NAMES_FIRST}
    all_at_once = {"maxFilesPerTrigger": "2147483647", **NAMES_FIRST}
    assert read_options(*asked) == all_at_once
    plan(checkpoint, 0, version=3)
    assert read_options(*asked) == all_at_once  # batch 0 is repeated
    finish(checkpoint, 0)
    assert read_options(*asked) == from_the_first
    (checkpoint / "commits" / "0").unlink()
    (log / "00000000000000000000.json").touch()
    assert read_options(*asked) == from_the_first

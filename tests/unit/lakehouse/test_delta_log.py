"""The log keeps what a reader may still ask for, and no more."""

from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse.delta_log import LOG, LogFile, expired, log_files
from tests.rows import after

HOUR = timedelta(hours=1)


def commits(*versions: int) -> list[LogFile]:
    """Version n was written n seconds after midnight."""
    return [LogFile(f"{n:020}.json", n, after(n)) for n in versions]


def checkpoints(*versions: int) -> list[LogFile]:
    return [LogFile(f"{n:020}.checkpoint.parquet", n, after(n)) for n in versions]


def gone(files: list[LogFile], seconds: float, needed_from: int = 100) -> set[str]:
    return {
        f.name.lstrip("0") for f in expired(files, before=after(seconds), needed_from=needed_from)
    }


def test_without_a_checkpoint_nothing_goes() -> None:
    assert gone(commits(*range(10)), 100) == set()


def test_all_before_the_newest_old_checkpoint_goes_with_its_checksums() -> None:
    files = [*commits(*range(7)), *checkpoints(2, 4), LogFile(f"{1:020}.crc", 1, after(1))]
    assert gone(files, 100) == {
        ".json",
        "1.json",
        "2.json",
        "3.json",
        "1.crc",
        "2.checkpoint.parquet",
    }


def test_a_version_of_the_last_hour_can_still_be_read() -> None:
    files = [*commits(*range(7)), *checkpoints(2, 4)]
    assert gone(files, 4.5) == {".json", "1.json", "2.json", "3.json", "2.checkpoint.parquet"}
    assert gone(files, 4) == {".json", "1.json"}


def test_what_a_reader_has_still_to_read_stays() -> None:
    files = [*commits(*range(7)), *checkpoints(2, 4)]
    assert gone(files, 100, needed_from=3) == {".json", "1.json"}
    assert gone(files, 100, needed_from=1) == set()


def test_what_a_killed_writer_left_goes_too() -> None:
    files = [*commits(0, 1, 2), *checkpoints(2), LogFile(f"{1:020}.json#1", 1, after(1))]
    assert gone(files, 100) == {".json", "1.json", "1.json#1"}


def test_a_draft_that_gets_its_own_name_while_the_log_is_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / LOG
    log.mkdir()
    for name in (f"{0:020}.json", f"{1:020}.json#1"):
        (log / name).touch()
    listed = list(log.iterdir())
    (log / f"{1:020}.json#1").unlink()
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(listed))
    assert [file.version for file in log_files(tmp_path)] == [0]

"""A Delta log: what its commits say, and which of its files no reader needs any more."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehouse.location import Place

LOG = "_delta_log"
VERSIONED = re.compile(r"^(\d{20})\.")
COMMIT = re.compile(r"^(\d{20})\.json$")
CHECKPOINT = re.compile(r"^\d{20}\.checkpoint\.parquet$")


@dataclass(frozen=True)
class LogFile:
    """One file of a log: a commit, its checksum, a checkpoint, or what a killed writer left."""

    name: str
    version: int
    written_at: datetime

    @property
    def is_commit(self) -> bool:
        """It is a commit."""
        return self.name == f"{self.version:020}.json"

    @property
    def is_checkpoint(self) -> bool:
        """It is a checkpoint, whole in one file."""
        return CHECKPOINT.match(self.name) is not None


def actions(folder: Place, version: int, kind: str) -> Iterator[dict[str, Any]]:
    """What the commit ``version`` of the table in ``folder`` says under ``kind``, in order.

    Args:
        folder: of the table.
        version: of the commit.
        kind: of the Delta protocol, ``add`` or ``commitInfo`` for instance.

    Raises:
        FileNotFoundError: the log has not kept this commit.
    """
    begin = f'{{"{kind}"'
    lines = (folder / LOG / f"{version:020}.json").read_text().split("\n")
    yield from (json.loads(line)[kind] for line in lines if line.startswith(begin))


def is_whole(folder: Place, first: int, last: int) -> bool:
    """Whether the log of the table in ``folder`` has every commit of these versions."""
    log = folder / LOG
    return all((log / f"{version:020}.json").exists() for version in range(first, last + 1))


def oldest_commit(folder: Place) -> int:
    """First version whose commit the log of the table in ``folder`` has kept."""
    names = (path.name for path in (folder / LOG).iterdir())
    return min(int(found[1]) for name in names if (found := COMMIT.match(name)))


def first_needed(folder: Place) -> Place:
    """File that a snapshot opened now begins with: the newest checkpoint, or the first commit."""
    pointer = folder / LOG / "_last_checkpoint"
    try:
        version = int(json.loads(pointer.read_text())["version"])
    except FileNotFoundError:
        return folder / LOG / f"{0:020}.json"
    return folder / LOG / f"{version:020}.checkpoint.parquet"


def is_newest(folder: Place, version: int, begins_with: Place) -> bool:
    """Whether a snapshot at ``version`` is whole and the log has no commit past it.

    Three looks at files, where delta-rs takes 3 ms. A log loses its oldest files only: as long as
    it has kept ``version``, the next would be there.

    Args:
        folder: of the table.
        version: of the snapshot.
        begins_with: `first_needed` when it was opened.
    """
    if not isinstance(folder, Path):
        return False  # a look at a bucket costs as much as delta-rs takes to move on
    log = folder / LOG
    return (
        not (log / f"{version + 1:020}.json").exists()
        and (log / f"{version:020}.json").exists()
        and begins_with.exists()
    )


def log_files(folder: Place) -> list[LogFile]:
    """The versioned files in the log of the table in ``folder``, by name."""
    found = []
    paths: Iterable[Place] = (folder / LOG).iterdir()
    for path in sorted(paths, key=lambda path: path.name):
        version = VERSIONED.match(path.name)
        if version is not None:
            with suppress(FileNotFoundError):  # a writer's draft has its own name by now
                written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                found.append(LogFile(path.name, int(version[1]), written_at))
    return found


def expired(files: Iterable[LogFile], *, before: datetime, needed_from: int) -> list[LogFile]:
    """Files that nobody reads: older than ``before`` and behind a checkpoint that replaces them.

    Every version since ``before`` can still be read, from the checkpoint that is kept, and so can
    ``needed_from`` and every later commit.

    Args:
        files: of one log.
        before: commits since then stay.
        needed_from: oldest version whose commit a reader has still to read.
    """
    files = list(files)
    old = [file.version for file in files if file.is_commit and file.written_at < before]
    limit = min(max(old, default=-1), needed_from)
    kept_from = max((f.version for f in files if f.is_checkpoint and f.version <= limit), default=0)
    return [file for file in files if file.version < kept_from]

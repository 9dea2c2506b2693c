"""Keeps the tables small and quick to open, beside whoever writes them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from deltalake.exceptions import DeltaError

from lakehouse.commit import Note
from lakehouse.delta_log import LOG, log_files
from lakehouse.jobs.checkpoint import read_through, reconciler
from lakehouse.journal import now as clock
from lakehouse.ledger import brought_forward, project, writer
from lakehouse.location import Place, has_gap
from lakehouse.tables import COMMITS_PER_CHECKPOINT, Lake, LakeTable
from specs.errors import Unavailable

BRONZE, SILVER, LEDGER = "bronze.traffic_event", "silver.segment_metric", "ops.ledger"
MAINTAIN = "maintain"
"""What its commits call it."""

MOMENT = timedelta(minutes=1)
"""Delta-rs counts a file's age from the vacuum, which begins later than its readers are asked."""


@dataclass(frozen=True)
class Upkeep:
    """What was done to one table, and how it stands now.

    Attributes:
        compacted: files that were replaced by fewer.
        expired_rows: rows past their retention.
        cleaned_log_files: files removed from the log.
        vacuumed_files: data files removed.
        files: data files of the newest version.
        log_files: files in the log.
        postponed: why something waits for the next time; empty where nothing does.
    """

    table: str
    compacted: int = 0
    expired_rows: int = 0
    cleaned_log_files: int = 0
    vacuumed_files: int = 0
    files: int = 0
    log_files: int = 0
    postponed: str = ""


def maintain(lake: Lake, checkpoint: Place, now: datetime) -> list[Upkeep]:
    """Expire, compact, checkpoint, clean the log and vacuum every table that exists.

    What the stream or the ledger have still to read stays, however old it is: their table is then
    only compacted, and the result says what was postponed. No commit that the log keeps names a
    file that is gone: a compaction is followed by a checkpoint, behind which the log is cleaned up
    before the replaced files go, and ops.yaml keeps those at least as long.

    Args:
        lake: the tables.
        checkpoint: of the stream.
        now: ages are counted from here (UTC).
    """
    names = [name for name in lake.specs.tables if (lake.folder(name) / LOG).exists()]
    return [_maintain(lake, lake.table(name), checkpoint, now) for name in names]


def _maintain(lake: Lake, table: LakeTable, checkpoint: Place, now: datetime) -> Upkeep:
    name, rules = table.spec.table, lake.specs.ops.maintenance
    note = Note(job=MAINTAIN, spec_version=lake.specs.version)
    done = Upkeep(name)
    try:
        done = replace(done, expired_rows=_expire(lake, table, note, now))
        compacted, _ = table.compact(
            note, min_files=rules.min_files, target_bytes=rules.target_file_bytes
        )
        done = replace(done, compacted=compacted)
        table.configure(note)
    except (Unavailable, DeltaError) as hindrance:
        if isinstance(hindrance, DeltaError) and not has_gap(hindrance):
            raise
        done = replace(done, postponed=str(hindrance).splitlines()[0])
    if done.compacted or _is_checkpoint_due(table):
        table.checkpoint()
    read = _read_through(lake, table, checkpoint)
    log_begins = now - timedelta(minutes=rules.log_minutes)
    opened = max(read - 1, 0)  # a stream that stands inside a version starts from the one before
    cleaned = table.clean_log(log_begins, min(opened, _noted_through(lake, table)))
    vacuum_begins = max(now, clock()) + MOMENT
    if _has_read_since(table, read, vacuum_begins - timedelta(hours=rules.replaced_file_hours)):
        try:
            vacuumed = table.vacuum(rules.replaced_file_hours)
            vacuumed += table.vacuum(rules.orphan_hours, orphans=True)
            done = replace(done, vacuumed_files=vacuumed)
        except Unavailable as hindrance:
            done = replace(done, postponed=str(hindrance).splitlines()[0])
    else:
        done = replace(done, postponed="vacuum waits for the stream")
    return replace(
        done,
        cleaned_log_files=cleaned,
        files=len(table.files()),
        log_files=len(log_files(table.folder)),
    )


def _expire(lake: Lake, table: LakeTable, note: Note, now: datetime) -> int:
    kept = lake.specs.ops.retention.get(table.spec.table)
    if kept is None:
        return 0
    forward = partial(brought_forward, lake) if table.spec.table == LEDGER else None
    return table.expire(now - timedelta(days=kept.days), note, forward)


def _is_checkpoint_due(table: LakeTable) -> bool:
    """Commits between two checkpoints are what opening a table costs."""
    newest = max((f.version for f in log_files(table.folder) if f.is_checkpoint), default=0)
    return table.refresh() - newest >= COMMITS_PER_CHECKPOINT // 2


def _noted_through(lake: Lake, table: LakeTable) -> int:
    """Last commit that is in the ledger, after bringing the ledger up to date if it has this table.

    What a commit says of itself is in its log alone until then.
    """
    ledger, name = lake.table(LEDGER), table.spec.table
    ledger.refresh()
    if ledger.progress(writer(name)) is None:
        return table.version
    project(lake, [name])
    ledger.refresh()
    return ledger.progress(writer(name)) or 0


def _read_through(lake: Lake, table: LakeTable, checkpoint: Place) -> int:
    """Last version whose rows nobody has still to read one commit after the other.

    Of bronze these are the stream and, behind it, whoever looks for late readings.
    """
    if table.spec.table != BRONZE:
        return table.version
    looked = None
    if (checkpoint / "metadata").exists():
        silver = lake.table(SILVER)
        silver.refresh()
        looked = silver.progress(reconciler(checkpoint))
    read = read_through(checkpoint)
    return max(read if looked is None else min(read, looked), 0)


def _has_read_since(table: LakeTable, version: int, moment: datetime) -> bool:
    """Whether a reader that stands at ``version`` needs no file that was replaced by ``moment``."""
    if version >= table.version:
        return True
    later = [f for f in log_files(table.folder) if f.is_commit and f.version == version + 1]
    return bool(later) and later[0].written_at >= moment

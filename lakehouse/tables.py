"""The one commit path: every Delta commit of this project is made here, through delta-rs."""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from lakehouse.bucket import outage
from lakehouse.commit import ID_KEY, Commit, Note, Step, is_logged, properties, told
from lakehouse.delta_checksum import Held, write_checksum
from lakehouse.delta_log import LOG, actions, expired, log_files
from lakehouse.delta_predicates import Partition, arrived_before, crowded, match
from lakehouse.failpoints import operation
from lakehouse.layout import compacted
from lakehouse.location import Place, delta_options, delta_table, has_gap
from lakehouse.metrics.commits import CommitWatch
from lakehouse.metrics.registry import Metrics
from lakehouse.release import known_table, of_this_format
from lakehouse.table_files import MERGING, appending, described
from lakehouse.table_snapshot import EXPIRE, TableSnapshot
from specs.arrow import arrow_schema
from specs.errors import Fenced, Unavailable
from specs.loader import Specs
from specs.ops import OpsSpec
from specs.tables import TableSpec

COMMITS_PER_CHECKPOINT = 50

MINUTES_TO_VACUUM = 20
"""A replaced file that no maintenance has removed so long after it might have is an orphan. Merges
replace thousands an hour, and every checkpoint names those of Delta's own week otherwise."""


def _open(spec: TableSpec, folder: Place, ops: OpsSpec) -> DeltaTable:
    """The table of ``spec`` in ``folder``; it is created where it does not exist.

    One of an older spec is given the columns that it lacks, null in its rows.

    Raises:
        WrongInput: a newer release has written it.
    """
    schema = arrow_schema(spec)
    try:
        table = known_table(delta_table(folder))
    except TableNotFoundError:
        _create(spec, folder, schema, ops)
        return delta_table(folder)
    present = {field.name for field in table.schema().fields}
    absent = [field for field in schema if field.name not in present]
    if not absent:
        return table
    with suppress(CommitFailedError):  # another process has done it just now
        table.alter.add_columns(Schema.from_arrow(pa.schema(absent)).fields)
    return delta_table(folder)


def _create(spec: TableSpec, folder: Place, schema: pa.Schema, ops: OpsSpec) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    DeltaTable.create(
        str(folder),
        schema=described(spec, schema),
        mode="ignore",
        commit_properties=of_this_format(),
        storage_options=delta_options(folder),
        partition_by=list(spec.folders),
        name=spec.table,
        description=spec.description,
        configuration={
            "delta.checkpointInterval": str(COMMITS_PER_CHECKPOINT),
            "delta.enableExpiredLogCleanup": "false",  # `clean_log` knows the readers
            **_configuration(ops),
        },
    )


def _configuration(ops: OpsSpec) -> dict[str, str]:
    """What ops.yaml decides of a table."""
    minutes = ops.maintenance.replaced_file_hours * 60 + MINUTES_TO_VACUUM
    return {"delta.deletedFileRetentionDuration": f"interval {minutes} minutes"}


class LakeTable(TableSnapshot):
    """One Delta table: its snapshot, and every commit to it."""

    def __init__(
        self, spec: TableSpec, folder: Place, ops: OpsSpec, watch: CommitWatch | None = None
    ) -> None:
        """Open the table in ``folder``; it is created where it does not exist."""
        super().__init__(spec, folder, _open(spec, folder, ops))
        self._watch = watch
        self._conflict, self._configuration = ops.retries.commit_conflict, _configuration(ops)
        self._appending = appending(self.schema)
        self._held: Held | None = None

    def append(self, rows: pa.Table, note: Note, steps: Iterable[Step] = ()) -> Commit:
        """Append ``rows`` and advance ``steps``, in one commit.

        A column that a newer spec has given the table, and ours has not, is null in them.

        Args:
            rows: the columns of the table's spec, in any order.
            note: what the commit says of itself.
            steps: the part of the input that ``rows`` stand for.

        Raises:
            Fenced: another writer has advanced one of the steps; nothing was written.
            Unavailable: other commits kept conflicting, past the bound in ops.yaml.
        """
        steps, began = tuple(steps), time.perf_counter()
        self._is_renewed()
        self._refuse_overtaken(steps)
        commit_id = uuid.uuid4().hex
        shaped = self._shaped(rows)

        def once() -> None:
            whole = self._with_newer_columns(shaped)
            with self._operation("append"):
                write_deltalake(
                    self._delta, whole, mode="append", writer_properties=self._appending,
                    commit_properties=properties(note, steps, commit_id),
                )  # fmt: skip

        def again() -> None:
            try:
                self._surely(once, steps, commit_id)
            except CommitFailedError:  # of a step that was taken, or of rows that were rewritten
                self.refresh()
                self._refuse_overtaken(steps)
                raise

        self._retry_conflicts(again)
        self._held = write_checksum(self._delta, self.folder / LOG, self._held)
        return self._told(commit_id, steps, began)

    def merge(self, rows: pa.Table, note: Note, steps: Iterable[Step] = ()) -> Commit:
        """Insert ``rows``, or update those whose key the table already has, in one commit.

        Args:
            rows: the columns of the table's spec, in any order; no key twice.
            note: what the commit says of itself.
            steps: the part of the input that ``rows`` stand for.

        Raises:
            Fenced: another writer has advanced one of the steps; nothing was written.
            Unavailable: other commits kept conflicting, past the bound in ops.yaml.
        """
        steps, began = tuple(steps), time.perf_counter()
        shaped = self._shaped(rows)
        predicate, commit_id = match(self.spec, shaped), uuid.uuid4().hex

        def once() -> None:
            self.refresh()
            self._refuse_overtaken(steps)
            merger = self._delta.merge(
                shaped, predicate=predicate, source_alias="source", target_alias="target",
                commit_properties=properties(note, steps, commit_id),
                writer_properties=MERGING,
            ).when_matched_update_all().when_not_matched_insert_all()  # fmt: skip
            with self._operation("merge"):
                merger.execute()

        self._retry_conflicts(partial(self._surely, once, steps, commit_id))
        return self._told(commit_id, steps, began)

    def _operation(self, name: str) -> AbstractContextManager[None]:
        is_due = (self.version + 1) % COMMITS_PER_CHECKPOINT == 0
        return operation(name, self.spec.table, self.folder, is_checkpoint_due=is_due)

    def _file_stats(self) -> pa.Table:
        return pa.table(self._delta.get_add_actions(flatten=True))

    def compact(self, note: Note, *, min_files: int, target_bytes: int) -> tuple[int, int]:
        """Merge the small files of each partition that has at least ``min_files`` of them.

        Returns:
            Files that were replaced, and by how many.

        Raises:
            Unavailable: other commits kept conflicting, past the bound in ops.yaml.
        """
        removed = added = 0
        self.refresh()
        for partition in crowded(self._file_stats(), self.spec, min_files, target_bytes):

            def once(partition: Partition = partition) -> None:
                nonlocal removed, added
                self.refresh()
                with self._operation("compact"):
                    commit = properties(note, (), uuid.uuid4().hex)
                    done = compacted(self._delta, self.spec, partition, target_bytes, commit)
                removed += done["numFilesRemoved"]
                added += done["numFilesAdded"]

            self._retry_conflicts(once)
        return removed, added

    def expire(
        self,
        before: datetime,
        note: Note,
        forward: Callable[[datetime], Mapping[str, int]] | None = None,
    ) -> int:
        """Delete what arrived before ``before``, to the second; returns the rows.

        A table with a folder a day loses a day as a whole, once nothing in it is younger: what
        came late, or is history that was replayed, is kept as long as anything else. The commit
        says what it took, see `expired`.

        Args:
            before: UTC.
            note: what the commit says of itself.
            forward: what rows before a moment amount to, to be added to the progress of these
                names.

        Raises:
            Unavailable: other commits kept conflicting, past the bound in ops.yaml.
        """
        deleted, before = 0, before.replace(microsecond=0)

        def once() -> None:
            nonlocal deleted
            self.refresh()
            due = arrived_before(self._file_stats(), self.spec, before)
            if due is not None:
                marks = dict.fromkeys(
                    (EXPIRE, *(f"{EXPIRE}/{day}" for day in due.days)), int(before.timestamp())
                )
                for name, amount in (forward(before) if forward else {}).items():
                    marks[name] = (self.progress(name) or 0) + amount
                steps = tuple(Step(name, self.progress(name), to) for name, to in marks.items())
                done = self._delta.delete(
                    due.predicate, commit_properties=properties(note, steps, uuid.uuid4().hex)
                )
                deleted = int(done["num_deleted_rows"] or 0)

        self._retry_conflicts(once)
        return deleted

    def configure(self, note: Note) -> None:
        """Have the table, which may be older, do as ops.yaml says now.

        Raises:
            Unavailable: other commits kept conflicting, past the bound in ops.yaml.
        """

        def once() -> None:
            self.refresh()
            if not self._configuration.items() <= self._delta.metadata().configuration.items():
                self._delta.alter.set_table_properties(
                    self._configuration, commit_properties=properties(note, (), uuid.uuid4().hex)
                )

        self._retry_conflicts(once)

    def checkpoint(self) -> None:
        """Write a checkpoint of the newest version, for readers to start from."""
        self.refresh()
        with self._operation("checkpoint"):
            self._delta.create_checkpoint()

    def clean_log(self, before: datetime, needed_from: int) -> int:
        """Delete what `delta_log.expired` finds in the log; returns the files."""
        old = expired(log_files(self.folder), before=before, needed_from=needed_from)
        with self._operation("clean_log"):
            for file in old:
                (self.folder / LOG / file.name).unlink(missing_ok=True)
        return len(old)

    def vacuum(self, hours: int, *, orphans: bool = False) -> int:
        """Delete files that no version of the last ``hours`` names; returns the files.

        Only those that a commit has replaced; with ``orphans`` also those that no commit ever
        named: what killed writers left, and what a live one is about to commit if ``hours`` is
        shorter than its commit takes.

        Raises:
            Unavailable: its own commits, which say that files go, kept conflicting.
        """
        deleted: list[str] = []

        def once() -> None:
            self.refresh()
            deleted.extend(self._delta.vacuum(
                retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=orphans
            ))  # fmt: skip

        with self._operation("vacuum"):
            self._retry_conflicts(once)
        return len(deleted)

    def _shaped(self, rows: pa.Table) -> pa.Table:
        return rows.select(self.schema.names).cast(self.schema)

    def _with_newer_columns(self, rows: pa.Table) -> pa.Table:
        """``rows`` with null in the columns that a newer spec has given the table."""
        schema = self._delta.schema()
        if len(schema.fields) > len(self.schema):
            for field in pa.schema(schema.to_arrow()):
                if field.name not in self.schema.names:
                    rows = rows.append_column(field, pa.nulls(len(rows), field.type))
        return rows

    def _refuse_overtaken(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            reached = self.progress(step.writer)
            if reached != step.before:
                raise Fenced(
                    f"{self.spec.table}: {step.writer} stands at {reached}, not at {step.before}"
                    " as this writer believed; another writer has taken over"
                )

    def _surely(self, commit: Callable[[], None], steps: tuple[Step, ...], commit_id: str) -> None:
        """Make a commit, and again where it broke off and was not taken all the same."""
        before = self.version
        for attempt in range(1, self._conflict.attempts + 1):
            try:
                commit()
            except (OSError, DeltaError) as error:
                if isinstance(self.folder, Path) and not has_gap(error):
                    raise
                self._renew()
                if is_logged(self.folder, commit_id, range(before + 1, self.version + 1)):
                    return
                passes = has_gap(error) or outage(error) is not None
                if not passes or attempt == self._conflict.attempts:
                    raise
                self._refuse_overtaken(steps)
            else:
                return

    def _retry_conflicts(self, commit: Callable[[], None]) -> None:
        wait = self._conflict.first_wait_seconds
        for attempt in range(1, self._conflict.attempts + 1):
            try:
                commit()
            except CommitFailedError as error:
                if attempt == self._conflict.attempts:
                    raise Unavailable(
                        f"{self.spec.table}: {attempt} commits in a row met other writers' commits;"
                        f" the last said: {error}"
                    ) from error
                time.sleep(wait)
                wait = min(wait * self._conflict.wait_factor, self._conflict.max_wait_seconds)
            else:
                return

    def _told(self, commit_id: str, steps: tuple[Step, ...], began: float) -> Commit:
        """What the log says of our commit, begun at ``began`` on `time.perf_counter`."""
        commit, seconds = self._logged(commit_id), time.perf_counter() - began
        if commit.version == self.version:  # no other writer's stands after it
            self._took(steps)
        if self._watch is not None:
            self._watch.committed(
                commit.table, commit.rows_written, commit.committed_at, commit.note, seconds
            )
        return commit

    def _logged(self, commit_id: str) -> Commit:
        """What the log says of our commit; by now other writers' may stand after it."""
        for version in range(self.version, -1, -1):
            for entry in actions(self.folder, version, "commitInfo"):
                if entry.get(ID_KEY) == commit_id:
                    return told(self.spec.table, {**entry, "version": version})
        raise AssertionError(f"{self.spec.table}: commit {commit_id} is not in the log")


class Lake:
    """All tables of the specs, below one folder."""

    def __init__(self, root: Place, specs: Specs, metrics: Metrics | None = None) -> None:
        """Tables live in ``root``/layer/name and are created when first asked for.

        What is done to them is counted in ``metrics``; by default nobody is told.
        """
        self.root = root
        self.specs = specs
        self.metrics = metrics or Metrics(specs.ops)
        self._watch = CommitWatch(self.metrics, self.folder)
        self._tables: dict[str, LakeTable] = {}

    def folder(self, name: str) -> Place:
        """Folder of table ``layer.name``."""
        return self.root.joinpath(*name.split("."))

    def table(self, name: str) -> LakeTable:
        """Table ``layer.name``."""
        if name not in self._tables:
            self._tables[name] = LakeTable(
                self.specs.tables[name], self.folder(name),
                self.specs.ops, self._watch,
            )  # fmt: skip
        return self._tables[name]

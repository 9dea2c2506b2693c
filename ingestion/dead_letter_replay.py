"""Dead letters judged again: what the specs of today accept lands where it was sent."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.dead_letter_query import DeadLetterFilter, dead_letters
from ingestion.judge import BRONZE, DEAD_LETTER, Judge
from lakehouse.commit import Note, Step
from lakehouse.jobs.gated import passed
from lakehouse.journal import Journal, now
from lakehouse.tables import Lake
from quality.gate import Gate

RECORDS_AT_ONCE = 20_000
RESOLUTION = "replayed"
Place = tuple[int, int]


@dataclass
class Replayed:
    """What a replay did.

    Attributes:
        judged: dead letters that were looked at.
        landed: rows that bronze gained.
        resolved: dead letters that were marked as resolved.
        still_dead: the others, by the rule that they fail today.
    """

    judged: int = 0
    landed: int = 0
    resolved: int = 0
    still_dead: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """The numbers by name."""
        return asdict(self) | {"still_dead": dict(self.still_dead)}


@dataclass(frozen=True)
class StoredRecord:
    """A dead letter as the Kafka record that it was."""

    row: Mapping[str, Any]

    def key(self) -> bytes | None:
        """Key."""
        return cast("bytes | None", self.row["raw_key"])

    def value(self) -> bytes | None:
        """Value."""
        return cast("bytes | None", self.row["raw_value"])

    def partition(self) -> int:
        """Partition."""
        return int(self.row["partition"])

    def offset(self) -> int:
        """Offset."""
        return int(self.row["offset"])

    def timestamp(self) -> tuple[int, int]:
        """Type of the timestamp, and milliseconds since the epoch."""
        at: datetime = self.row["kafka_timestamp"]
        return (1, round(at.timestamp() * 1000))

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Headers."""
        raw = self.row["raw_headers"]
        return None if raw is None else [tuple(pair) for pair in msgspec.msgpack.decode(raw)]


class DeadLetterReplay:
    """Judges dead letters by the specs of now and lands what passes, under its own offset.

    Two commits: the rows, then the mark on the dead letters. A crash between the two leaves
    records in both tables; the next replay finds their rows and only marks them. Old readings
    reach silver by `traffic silver reconcile`, as late ones do.
    """

    def __init__(self, lake: Lake) -> None:
        """Work on ``lake`` by its specs."""
        specs = lake.specs
        self._lake = lake
        self._judge = Judge(specs)
        self._gate = Gate(specs.tables[BRONZE], specs.ops.gates, specs.version, time.monotonic)
        self._journal = Journal(lake, [BRONZE, DEAD_LETTER])
        self._writer = f"replay/{specs.topics['traffic_event'].topic}"

    def replay(self, asked: DeadLetterFilter) -> Replayed:
        """Judge the unresolved dead letters that ``asked`` chooses; doing it twice changes nothing.

        Raises:
            GateFailed: rows broke an expectation; nothing of their batch was committed.
            Fenced: another replay runs at the same time; nothing of this batch was committed.
        """
        open_only = DeadLetterFilter(asked.reason, asked.source, asked.since, asked.until, False)
        found = dead_letters(self._lake, open_only).drop_columns(["source"])
        done = Replayed()
        for start in range(0, found.num_rows, RECORDS_AT_ONCE):
            self._replay(found.slice(start, RECORDS_AT_ONCE), done)
        self._journal.write()
        return done

    def _replay(self, dead: pa.Table, done: Replayed) -> None:
        bronze = self._lake.table(BRONZE)
        bronze.refresh()
        step = bronze.progress(self._writer)
        roads = self._lake.table("silver.road_segment")
        roads.refresh()
        segments = roads.read(columns=["segment_id", "source"]).combine_chunks()
        judged = self._judge.judge([StoredRecord(row) for row in dead.to_pylist()], segments, now())
        landed = self._landed(dead)
        accepted = _rows_at(judged.accepted, landed, among=False)
        if accepted.num_rows:
            self._land(accepted, Step(self._writer, step, (step or 0) + 1))
        resolved = landed | set(_places(judged.accepted))
        self._mark(_rows_at(dead, resolved, among=True))
        done.judged += dead.num_rows
        done.landed += accepted.num_rows
        done.resolved += len(resolved)
        for ids in _rows_at(judged.dead, resolved, among=False)["rule_ids"].to_pylist():
            done.still_dead.update(ids)

    def _landed(self, dead: pa.Table) -> set[Place]:
        """Those of ``dead`` that are in bronze: an earlier replay was stopped before its mark."""
        offsets = pc.field("offset").isin(pc.unique(dead["offset"]).to_pylist())
        rows = self._lake.table(BRONZE).read(columns=["partition", "offset"], where=offsets)
        return set(_places(rows)) & set(_places(dead))

    def _land(self, accepted: pa.Table, step: Step) -> None:
        note = Note(
            job="replay", spec_version=self._lake.specs.version,
            verdicts={"landed": accepted.num_rows},
            gate=passed(self._gate, accepted, self._journal, always=True),
        )  # fmt: skip
        self._lake.table(BRONZE).append(accepted, note, [step])

    def _mark(self, dead: pa.Table) -> None:
        if not dead.num_rows:
            return
        version, table = self._lake.specs.version, self._lake.table(DEAD_LETTER)
        marks = {"resolved_at": now(), "resolution": RESOLUTION, "resolved_spec_version": version}
        for name, value in marks.items():
            kind = table.schema.field(name)
            column = pa.repeat(pa.scalar(value, kind.type), dead.num_rows)
            dead = dead.set_column(dead.schema.get_field_index(name), kind, column)
        note = Note(job="replay", spec_version=version, verdicts={"resolved": dead.num_rows})
        table.merge(dead, note)


def _places(rows: pa.Table) -> list[Place]:
    return list(zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True))


def _rows_at(rows: pa.Table, places: set[Place], *, among: bool) -> pa.Table:
    """Rows whose place is one of ``places``, or with ``among`` false those whose place is not."""
    return rows.filter(
        pa.array([(place in places) is among for place in _places(rows)], pa.bool_())
    )

"""Judged batches into bronze: gate, dead letters first, then one commit with its offsets."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.dead_letters import DeadLetterTopic
from ingestion.judge import BRONZE, DEAD_LETTER, Judged
from lakehouse.commit import Note, Step
from lakehouse.failpoints import failpoint
from lakehouse.jobs.gated import passed
from lakehouse.journal import Journal
from lakehouse.kafka_access import Kafka
from lakehouse.tables import Lake, LakeTable
from quality.gate import Gate
from specs.stored_text import is_text

log = logging.getLogger(__name__)


@dataclass
class Landed:
    """What the commits reported so far."""

    rows: int = 0
    dead_letters: int = 0
    batches: int = 0


def writer(topic: str, partition: int) -> str:
    """Name under which a partition's progress stands in the commits."""
    return f"land/{topic}/{partition}"


def reached_offset(bronze: LakeTable, topic: str, partition: int) -> int | None:
    """Last offset that the snapshot of bronze stands for; None before the first."""
    return bronze.progress(writer(topic, partition))


def landed_offsets(lake: Lake, partitions: Iterable[int]) -> int:
    """How many offsets of ``partitions`` bronze stands for, counted from 0."""
    bronze, topic = lake.table(BRONZE), lake.specs.topics["traffic_event"].topic
    reached = [reached_offset(bronze, topic, partition) for partition in partitions]
    return sum(last + 1 for last in reached if last is not None)


class Landing:
    """The tables' side of a lander. One batch at a time, from whatever thread.

    Attributes:
        landed: what the commits reported.
        gate: of bronze.
        journal: the books.
    """

    def __init__(self, lake: Lake, kafka: Kafka) -> None:
        """Commit to ``lake``, and tell the dead-letter topic on ``kafka``."""
        specs = lake.specs
        self.landed = Landed()
        self._metrics, self._version = lake.metrics, specs.version
        self._topic = specs.topics["traffic_event"].topic
        self.gate = Gate(specs.tables[BRONZE], specs.ops.gates, specs.version, time.monotonic)
        self.gate.warm_up()
        self._bronze, self._dead = lake.table(BRONZE), lake.table(DEAD_LETTER)
        self._dlq = DeadLetterTopic(specs.topics["traffic_event"], kafka)
        self.journal = Journal(lake, [BRONZE, DEAD_LETTER])

    def refresh(self) -> None:
        """See what others have committed."""
        self._bronze.refresh()
        self._dead.refresh()

    def reached(self, partition: int) -> int | None:
        """Last offset of ``partition`` that the snapshot of bronze stands for."""
        return reached_offset(self._bronze, self._topic, partition)

    def commit(self, judged: Judged, reached: Mapping[int, int | None], began: float) -> None:
        """Commit a batch, dead letters first: a crash between the two repeats it, loses nothing.

        Args:
            judged: the batch.
            reached: last offset before the batch, by partition.
            began: on `time.perf_counter`, with the batch.

        Raises:
            GateFailed: the batch broke an expectation; nothing of it was committed.
            Fenced: another lander has taken one of the partitions; bronze has nothing of it.
            Unavailable: Kafka does not take the dead letters.
        """
        judged = self._unwritten(judged)
        gate = passed(self.gate, judged.accepted, self.journal)
        offsets = {str(p): f"{first}-{last}" for p, (first, last) in judged.progress.items()}
        dead_letters = self._write_dead(judged, offsets)
        steps = [
            Step(writer(self._topic, partition), reached[partition], last)
            for partition, (_, last) in judged.progress.items()
        ]
        note = self._note({"landed": judged.accepted.num_rows}, offsets)
        note = replace(note, gate=gate, sent=_sent(judged.accepted))
        commit = self._bronze.append(judged.accepted, note, steps)
        self.landed.rows += commit.rows_written
        self.landed.batches += 1
        self._metrics.observe("traffic_batch_rows", dead_letters + commit.rows_written, job="land")
        self._metrics.observe(
            "traffic_batch_duration_seconds", time.perf_counter() - began, job="land"
        )
        log.info("batch landed", extra={"facts": {
            "job": "land", "batch_id": self.landed.batches, "offsets": offsets,
            "rows": commit.rows_written, "dead_letters": dead_letters,
            "table_version": commit.version,
        }})  # fmt: skip
        failpoint("land.before_mirror")
        self.journal.write_if_due()

    def _write_dead(self, judged: Judged, offsets: dict[str, str]) -> int:
        """Write the dead letters; returns how many."""
        dead = judged.dead
        if not dead.num_rows:
            return 0
        self._dlq.send(dead)
        failpoint("land.dead_letters_sent")
        commit = self._dead.append(
            dead, self._note({"dead_lettered": dead.num_rows}, offsets), self._dead_steps(judged)
        )
        self.landed.dead_letters += commit.rows_written
        for rule, count in _by_rule(dead).items():
            self._metrics.count("traffic_dead_letters_total", count, rule=rule)
        failpoint("land.between_dead_letters_and_rows")
        return commit.rows_written

    def _dead_steps(self, judged: Judged) -> Sequence[Step]:
        """Never back: a crashed run may have written dead letters past the end of this batch."""
        steps = []
        for partition, (_, last) in judged.progress.items():
            name = writer(self._topic, partition)
            written = self._dead.progress(name)
            steps.append(Step(name, written, last if written is None else max(written, last)))
        return steps

    def _unwritten(self, judged: Judged) -> Judged:
        """Without the records that a run which ended before its rows made dead letters of.

        They stay dead letters whatever the verdict is by now: it may be another under new specs or
        with new roads, and a replay lands what passes.
        """
        written = {p: self._dead.progress(writer(self._topic, p)) for p in judged.progress}
        if all(last is None or last < judged.progress[p][0] for p, last in written.items()):
            return judged
        first = min(first for first, _ in judged.progress.values())
        found = self._dead.read(
            columns=["partition", "offset"],
            where=is_text("topic", self._topic) & (pc.field("offset") >= first),
        )
        places = set(_places(found))
        accepted, dead = (
            pa.array([place not in places for place in _places(rows)], pa.bool_())
            for rows in (judged.accepted, judged.dead)
        )
        return replace(
            judged, accepted=judged.accepted.filter(accepted), dead=judged.dead.filter(dead),
            dead_places=tuple(compress(judged.dead_places, dead.to_pylist())),
        )  # fmt: skip

    def _note(self, verdicts: dict[str, int], offsets: dict[str, str]) -> Note:
        return Note(job="land", spec_version=self._version, verdicts=verdicts, offsets=offsets)


def _sent(rows: pa.Table) -> tuple[int, int] | None:
    """First and last Kafka timestamp in milliseconds; None without a row."""
    if not rows.num_rows:
        return None
    found = pc.min_max(rows["kafka_timestamp"].cast(pa.int64())).as_py()
    return found["min"] // 1000, found["max"] // 1000


def _places(rows: pa.Table) -> Iterator[tuple[int, int]]:
    """Partition and offset of each row."""
    return zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True)


def _by_rule(dead: pa.Table) -> dict[str, int]:
    """How many rows of bronze.dead_letter broke each rule."""
    counts = pc.value_counts(pc.list_flatten(dead["rule_ids"])).to_pylist()
    return {one["values"]: one["counts"] for one in counts}

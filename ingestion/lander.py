"""Kafka to bronze: judge, gate, dead letters first, then one Delta commit with its offsets."""

import gc
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from ingestion.dead_letter_limit import DeadLetterBrake, flood
from ingestion.dead_letters import DeadLetterTopic
from ingestion.decode import Record
from ingestion.judge import BRONZE, DEAD_LETTER, Judge, Judged
from lakehouse.commit import Note, Passed, Step
from lakehouse.failpoints import failpoint
from lakehouse.jobs.gated import note_refusal, passed
from lakehouse.journal import Journal, now
from lakehouse.kafka_access import DENIED, Kafka, KafkaAccess, KafkaRefusal, refused
from lakehouse.tables import Lake, LakeTable
from quality.gate import Gate
from specs.errors import Fenced, Unavailable

log = logging.getLogger(__name__)
GROUP = "traffic-lander"
METADATA_SECONDS = 10.0
REJOIN_SECONDS = 60.0
"""A member that is fenced again within this time has a double of its name."""


@dataclass(frozen=True)
class LandingPace:
    """How records are gathered into commits.

    Attributes:
        max_records: a batch is full at this many.
        max_seconds: a batch waits no longer than this for more.
    """

    max_records: int
    max_seconds: float


@dataclass(frozen=True)
class Membership:
    """What the consumer group knows of a lander.

    Attributes:
        name: unique in the group and kept over restarts, so that a restarted lander has its
            partitions back at once; None: a new member at each start.
        session_seconds: the group gives its partitions to others after this long without a word.
    """

    name: str | None = None
    session_seconds: float = 10.0

    def config(self) -> dict[str, str | int]:
        """As librdkafka's options."""
        named = {} if self.name is None else {"group.instance.id": self.name}
        milliseconds = round(self.session_seconds * 1000)
        return {
            **named, "session.timeout.ms": milliseconds, "heartbeat.interval.ms": milliseconds // 4,
        }  # fmt: skip


@dataclass
class Landed:
    """What the commits reported so far."""

    rows: int = 0
    dead_letters: int = 0
    batches: int = 0


def _writer(topic: str, partition: int) -> str:
    return f"land/{topic}/{partition}"


def _offsets(judged: Judged) -> dict[str, str]:
    """First and last offset of each partition, as text."""
    return {str(p): f"{first}-{last}" for p, (first, last) in judged.progress.items()}


def _sent(rows: pa.Table) -> tuple[int, int] | None:
    """First and last Kafka timestamp in milliseconds; None without a row."""
    if not rows.num_rows:
        return None
    found = pc.min_max(rows["kafka_timestamp"].cast(pa.int64())).as_py()
    return found["min"] // 1000, found["max"] // 1000


def _by_rule(dead: pa.Table) -> dict[str, int]:
    """How many rows of bronze.dead_letter broke each rule."""
    counts = pc.value_counts(pc.list_flatten(dead["rule_ids"])).to_pylist()
    return {one["values"]: one["counts"] for one in counts}


def reached_offset(bronze: LakeTable, topic: str, partition: int) -> int | None:
    """Last offset that the snapshot of bronze stands for; None before the first."""
    return bronze.progress(_writer(topic, partition))


def landed_offsets(lake: Lake, partitions: Iterable[int]) -> int:
    """How many offsets of ``partitions`` bronze stands for, counted from 0."""
    bronze, topic = lake.table(BRONZE), lake.specs.topics["traffic_event"].topic
    reached = [bronze.progress(_writer(topic, partition)) for partition in partitions]
    return sum(last + 1 for last in reached if last is not None)


def _is_fatal(message: Message) -> bool:
    error = message.error()
    return error is not None and (error.fatal() or error.code() == KafkaError._FATAL)


class Lander:
    """One member of the consumer group that lands topic traffic_event.

    The tables hold the progress: the last offset of each partition goes into the very commit of
    its rows. Kafka's own committed offsets are only a mirror for monitoring.
    """

    def __init__(
        self, lake: Lake, kafka: Kafka, pace: LandingPace,
        membership: Membership = Membership(),
    ) -> None:  # fmt: skip
        """Join the group on ``kafka``; tables are created as needed."""
        specs = lake.specs
        self.landed = Landed()
        self._lake, self._pace, self._metrics = lake, pace, lake.metrics
        self._topic = specs.topics["traffic_event"]
        self._judge = Judge(specs)
        self.gate = Gate(specs.tables[BRONZE], specs.ops.gates, specs.version, time.monotonic)
        self.gate.warm_up()
        self._bronze, self._dead = lake.table(BRONZE), lake.table(DEAD_LETTER)
        self._segment_table = lake.table("silver.road_segment")
        self._segments, self._segments_version = self._read_segments()
        self._brake = DeadLetterBrake(specs.ops.dead_letters)
        self._dlq = DeadLetterTopic(self._topic, kafka)
        self._journal = Journal(lake, [BRONZE, DEAD_LETTER])
        self._reached: dict[int, int | None] = {}
        self._ends: dict[int, int] = {}
        self._owed: dict[int, int] | None = None
        self._kafka, self._refusal = kafka, KafkaRefusal(kafka)
        self._settings = {
            **KafkaAccess.of(kafka).client(), "error_cb": self._refusal, "log_level": 2,
            "group.id": GROUP, "enable.auto.commit": False,
            "auto.offset.reset": "error", "partition.assignment.strategy": "cooperative-sticky",
            "fetch.wait.max.ms": 50, "queued.max.messages.kbytes": 65536,
            "enable.partition.eof": False, "topic.metadata.refresh.interval.ms": 10_000,
            **membership.config(),
        }  # fmt: skip
        self._consumer, self._rejoined_at = self._joined(), -math.inf

    def _joined(self) -> Consumer:
        """A member of the group."""
        consumer = Consumer(self._settings)
        consumer.subscribe([self._topic.topic], on_assign=self._take, on_revoke=self._drop)
        return consumer

    def run(self, stopped: Callable[[], bool]) -> None:
        """Land until ``stopped()``; a batch that has begun is finished.

        Raises:
            GateFailed: a batch broke an expectation, or there are more dead letters than ops.yaml
            allows; nothing of the batch was committed.
            Unavailable: Kafka has gone for good, or offsets that were never read are deleted.
        """
        self._land_until(stopped)

    def run_once(self, stopped: Callable[[], bool]) -> None:
        """Land what the topic holds now, then return; what others land is waited for.

        The group may hold partitions of a lander that was killed until its session has ended.
        Raises as `run` does.
        """
        self._land_until(lambda: stopped() or (self._caught_up() and self._all_landed()))

    def _land_until(self, is_done: Callable[[], bool]) -> None:
        # What is loaded by now stays: else the thousands of messages of a batch have the collector
        # walk Great Expectations' million objects, again and again (a quarter of our CPU).
        gc.freeze()
        while not is_done():
            self._land_next()

    def close(self) -> None:
        """Write the books and leave the group."""
        self._journal.write()
        self._consumer.close()

    def report(self) -> dict[str, float]:
        """What the commits reported, and the CPU time of the gate."""
        return {
            **asdict(self.landed), "gate_cpu_seconds": self.gate.cpu_seconds,
            "metrics_cpu_seconds": self._metrics.cpu_seconds,
        }  # fmt: skip

    def _land_next(self) -> None:
        messages = self._consumer.consume(self._pace.max_records, self._pace.max_seconds)
        self._refusal.check()
        if any(message.error() is not None for message in messages):
            if any(_is_fatal(message) for message in messages) and self._may_rejoin():
                self._rejoin()
                return
            messages = [one for one in messages if self._is_record(one)]
        records = cast("list[Record]", messages)
        if records:
            try:
                self._land(records)
            except Fenced as error:
                log.warning("%s; going on where the table stands", error)
                self._rewind()
        self._journal.write_if_due()

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise Unavailable(
                f"{self._topic.topic}: offsets that were never landed are gone from Kafka"
                f" ({error}); raise the topic's retention, and audit what was lost before going on"
            )
        if error.code() in DENIED:
            raise refused(self._kafka, f"{self._topic.topic}: {error.str()}")
        if error.fatal() or not error.retriable():
            raise Unavailable(f"Kafka: {error}")
        return False

    def _land(self, records: Sequence[Record]) -> None:
        began = time.perf_counter()
        judged = self._judge.judge(records, self._known_segments(), now())
        self._refuse_flood(judged)
        self._commit(judged, passed(self.gate, judged.accepted, self._journal))
        failpoint("land.before_mirror")
        self.landed.batches += 1
        self._mirror(judged)
        self._metrics.observe(
            "traffic_batch_duration_seconds", time.perf_counter() - began, job="land"
        )

    def _refuse_flood(self, judged: Judged) -> None:
        """Stop before a batch that passes the limit of dead letters; a restart repeats it."""
        bound = self._brake.passed(judged)
        if bound is not None:
            refused = flood(judged, bound, self._lake.specs)
            note_refusal(refused, self._journal)
            raise refused

    def _commit(self, judged: Judged, gate: Passed) -> None:
        """Dead letters first: a crash between the two repeats the batch and loses nothing."""
        dead, offsets, dead_letters = self._unwritten_dead(judged), _offsets(judged), 0
        if dead.num_rows:
            self._dlq.send(dead)
            failpoint("land.dead_letters_sent")
            commit = self._dead.append(
                dead, self._note({"dead_lettered": dead.num_rows}, offsets),
                self._dead_steps(judged),
            )  # fmt: skip
            dead_letters = commit.rows_written
            self.landed.dead_letters += dead_letters
            for rule, count in _by_rule(dead).items():
                self._metrics.count("traffic_dead_letters_total", count, rule=rule)
            failpoint("land.between_dead_letters_and_rows")
        steps = [
            Step(_writer(self._topic.topic, partition), self._reached[partition], last)
            for partition, (_, last) in judged.progress.items()
        ]
        note = self._note({"landed": judged.accepted.num_rows}, offsets)
        note = replace(note, gate=gate, sent=_sent(judged.accepted))
        commit = self._bronze.append(judged.accepted, note, steps)
        self.landed.rows += commit.rows_written
        rows = dead_letters + commit.rows_written
        self._metrics.observe("traffic_batch_rows", rows, job="land")
        self._reached.update({p: last for p, (_, last) in judged.progress.items()})
        log.info("batch landed", extra={"facts": {
            "job": "land", "batch_id": self.landed.batches, "offsets": offsets,
            "rows": commit.rows_written, "dead_letters": dead_letters,
            "table_version": commit.version,
        }})  # fmt: skip

    def _dead_steps(self, judged: Judged) -> list[Step]:
        """Never back: a crashed run may have written dead letters past the end of this batch."""
        steps = []
        for partition, (_, last) in judged.progress.items():
            writer = _writer(self._topic.topic, partition)
            written = self._dead.progress(writer)
            steps.append(Step(writer, written, last if written is None else max(written, last)))
        return steps

    def _unwritten_dead(self, judged: Judged) -> pa.Table:
        """Dead letters past those that a crashed run had written before its rows."""
        written = {p: self._dead.progress(_writer(self._topic.topic, p)) for p in judged.progress}
        if all(last is None or last < judged.progress[p][0] for p, last in written.items()):
            return judged.dead
        rows = zip(
            judged.dead["partition"].to_pylist(), judged.dead["offset"].to_pylist(), strict=True
        )
        new = [offset > (-1 if written[p] is None else written[p]) for p, offset in rows]
        return judged.dead.filter(pa.array(new, pa.bool_()))

    def _note(self, verdicts: dict[str, int], offsets: dict[str, str]) -> Note:
        return Note(
            job="land", spec_version=self._lake.specs.version, verdicts=verdicts, offsets=offsets
        )

    def _take(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Start each assigned partition where the table stands."""
        consumer.incremental_assign(self._starting_points(consumer, partitions))

    def _drop(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            del self._reached[partition.partition], self._ends[partition.partition]
        consumer.incremental_unassign(partitions)

    def _may_rejoin(self) -> bool:
        return time.monotonic() >= self._rejoined_at + REJOIN_SECONDS

    def _rejoin(self) -> None:
        """Join anew: while the broker was away the session ended, and the group fences its member.

        Of two landers of one name the one that is fenced again so soon ends.
        """
        log.warning("the group has closed this member out; joining it anew")
        self._consumer.close()
        self._reached.clear()
        self._ends.clear()
        self._consumer, self._rejoined_at = self._joined(), time.monotonic()

    def _rewind(self) -> None:
        """After another writer took over: go on from where the table stands now."""
        for partition in self._starting_points(self._consumer, self._consumer.assignment()):
            self._consumer.seek(partition)

    def _starting_points(
        self, consumer: Consumer, partitions: list[TopicPartition]
    ) -> list[TopicPartition]:
        self._bronze.refresh()
        self._dead.refresh()
        for partition in partitions:
            number = partition.partition
            reached = self._bronze.progress(_writer(self._topic.topic, number))
            begin, end = consumer.get_watermark_offsets(partition, METADATA_SECONDS)
            partition.offset = OFFSET_BEGINNING if reached is None else reached + 1
            self._reached[number] = reached
            self._ends[number] = end if end > begin else 0
        return partitions

    def _caught_up(self) -> bool:
        return bool(self._ends) and all(
            end == 0 or (reached is not None and reached + 1 >= end)
            for end, reached in ((end, self._reached[p]) for p, end in self._ends.items())
        )

    def _all_landed(self) -> bool:
        """The table stands for what the topic held when this was first asked."""
        if self._owed is None:
            topic = self._consumer.list_topics(self._topic.topic, METADATA_SECONDS).topics[
                self._topic.topic
            ]
            places = [TopicPartition(self._topic.topic, number) for number in topic.partitions]
            marks = {place.partition: self._consumer.get_watermark_offsets(place, METADATA_SECONDS)
                     for place in places}  # fmt: skip
            self._owed = {number: end for number, (begin, end) in marks.items() if end > begin}
        self._bronze.refresh()
        for partition, end in list(self._owed.items()):
            reached = self._bronze.progress(_writer(self._topic.topic, partition))
            if reached is not None and reached + 1 >= end:
                del self._owed[partition]
        return not self._owed

    def _mirror(self, judged: Judged) -> None:
        """Tell Kafka how far we are, for whoever watches the group's lag."""
        offsets = [
            TopicPartition(self._topic.topic, partition, last + 1)
            for partition, (_, last) in judged.progress.items()
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException:
            return

    def _known_segments(self) -> pa.Table:
        if self._segment_table.refresh() != self._segments_version:
            self._segments, self._segments_version = self._read_segments()
        return self._segments

    def _read_segments(self) -> tuple[pa.Table, int]:
        rows = self._segment_table.read(columns=["segment_id", "source"])
        return rows.combine_chunks(), self._segment_table.version

"""Kafka to bronze: fetch and judge one batch while the one before is committed."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import pyarrow as pa
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from ingestion.dead_letter_limit import DeadLetterBrake, flood
from ingestion.decode import Record
from ingestion.judge import Judge, Judged
from ingestion.landing import Landed, Landing
from ingestion.retry import patience_seconds
from lakehouse.collector import keep_loaded
from lakehouse.jobs.gated import note_refusal
from lakehouse.jobs.one_behind import OneBehind
from lakehouse.journal import now
from lakehouse.kafka_access import DENIED, FETCHING, Kafka, KafkaAccess, KafkaRefusal, refused
from lakehouse.tables import Lake
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


def _lasts(judged: Judged) -> dict[int, int]:
    return {partition: last for partition, (_, last) in judged.progress.items()}


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
        """Join the group on ``kafka``; tables are created as needed.

        Raises:
            Unavailable: Kafka does not answer, or does not let us in.
        """
        specs = lake.specs
        self._lake, self._pace = lake, pace
        self._topic = specs.topics["traffic_event"]
        self._judge = Judge(specs)
        self._landing, self._behind = Landing(lake, kafka), OneBehind()
        self._segment_table = lake.table("silver.road_segment")
        self._segments, self._segments_version = self._read_segments()
        self._brake = DeadLetterBrake(specs.ops.dead_letters)
        self._reached: dict[int, int | None] = {}
        self._in_hand: Judged | None = None
        self._ends: dict[int, int] = {}
        self._owed: dict[int, int] | None = None
        self._kafka, self._refusal = kafka, KafkaRefusal(kafka)
        self._patience = patience_seconds(specs.ops.retries.unavailable)
        self._settings = {
            **KafkaAccess.of(kafka).client(), **FETCHING,
            "error_cb": self._refusal, "log_level": 2,
            "group.id": GROUP, "enable.auto.commit": False,
            "auto.offset.reset": "error", "partition.assignment.strategy": "cooperative-sticky",
            "enable.partition.eof": False, "topic.metadata.refresh.interval.ms": 10_000,
            **membership.config(),
        }  # fmt: skip
        self._consumer, self._rejoined_at = self._joined(), -math.inf

    @property
    def landed(self) -> Landed:
        """What the commits reported so far."""
        return self._landing.landed

    def _joined(self) -> Consumer:
        """A member of the group; Kafka answers, which librdkafka alone would wait for for ever."""
        consumer = Consumer(self._settings)
        self._refusal.described(consumer, self._topic.topic, self._patience)
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
        keep_loaded()
        while not is_done():
            self._land_next()
        self._finish()

    def close(self) -> None:
        """Let the batch in hand end, write the books and leave the group."""
        self._behind.wait()
        self._landing.journal.write()
        self._consumer.close()

    def report(self) -> dict[str, float]:
        """What the commits reported, and the CPU time of the gate."""
        return {
            **asdict(self.landed), "gate_cpu_seconds": self._landing.gate.cpu_seconds,
            "metrics_cpu_seconds": self._lake.metrics.cpu_seconds,
        }  # fmt: skip

    def _land_next(self) -> None:
        messages = self._consumer.consume(self._pace.max_records, self._pace.max_seconds)
        self._refusal.check()
        if any(message.error() is not None for message in messages):
            if any(_is_fatal(message) for message in messages) and self._may_rejoin():
                self._rejoin()
                return
            messages = [one for one in messages if self._is_record(one)]
        if messages:
            self._land(cast("list[Record]", messages))
        elif self._finish():
            self._landing.journal.write_if_due()

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
        """Judge ``records`` while the batch before is committed, then begin their commit."""
        began = time.perf_counter()
        judged = self._judge.judge(records, self._known_segments(), now())
        if not self._finish():
            return  # what was fetched past a batch that is not landed comes again
        self._refuse_flood(judged)
        reached, self._in_hand = dict(self._reached), judged
        self._behind.take(lambda: self._landing.commit(judged, reached, began))

    def _finish(self) -> bool:
        """Wait for the commit in hand; False where another lander has overtaken it.

        Then the consumer is back where the table stands. Raises else what the commit raised.
        """
        judged, self._in_hand = self._in_hand, None
        if judged is None:
            return True
        try:
            self._behind.finish()
        except Fenced as error:
            log.warning("%s; going on where the table stands", error)
            self._behind.drop()
            self._rewind()
            return False
        lasts = _lasts(judged)
        for partition in [*lasts]:  # one that the group has taken away meanwhile is another's
            reached = self._reached.get(partition, lasts[partition])
            if reached is not None and reached >= lasts[partition]:
                del lasts[partition]
        self._reached.update(lasts)
        self._mirror(lasts)
        return True

    def _refuse_flood(self, judged: Judged) -> None:
        """Stop before a batch that passes the limit of dead letters; a restart repeats it."""
        bound = self._brake.passed(judged)
        if bound is not None:
            refused = flood(judged, bound, self._lake.specs)
            note_refusal(refused, self._landing.journal)
            raise refused

    def _take(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Start each assigned partition where the table stands."""
        consumer.incremental_assign(self._starting_points(consumer, partitions))

    def _drop(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._behind.wait()  # whoever has them next finds in the table what is in hand
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
        self._consumer.close()  # which waits for the batch in hand
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
        self._behind.wait()
        self._landing.refresh()
        for partition in partitions:
            number = partition.partition
            reached = self._landing.reached(number)
            begin, end = consumer.get_watermark_offsets(partition, METADATA_SECONDS)
            partition.offset = OFFSET_BEGINNING if reached is None else reached + 1
            self._reached[number] = reached
            self._ends[number] = end if end > begin else 0
        return partitions

    def _caught_up(self) -> bool:
        """What the partitions held when they were taken is landed; waits for a last batch.

        So it is where the group has given us none.
        """
        begun = {} if self._in_hand is None else _lasts(self._in_hand)
        is_begun = self._is_up_to_ends({**self._reached, **begun})
        return is_begun and self._finish() and self._is_up_to_ends(self._reached)

    def _is_up_to_ends(self, reached: Mapping[int, int | None]) -> bool:
        lasts = [(end, reached[partition]) for partition, end in self._ends.items()]
        return all(end == 0 or (last is not None and last + 1 >= end) for end, last in lasts)

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
        self._landing.refresh()
        for partition, end in list(self._owed.items()):
            reached = self._landing.reached(partition)
            if reached is not None and reached + 1 >= end:
                del self._owed[partition]
        return not self._owed

    def _mirror(self, lasts: Mapping[int, int]) -> None:
        """Tell Kafka how far we are, for whoever watches the group's lag."""
        offsets = [TopicPartition(self._topic.topic, one, last + 1) for one, last in lasts.items()]
        if not offsets:
            return
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

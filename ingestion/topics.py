"""Topics, offsets and consumer-group lag: Kafka's control plane, by ``kafka-python``."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, TopicAlreadyExistsError

from ingestion.retry import patience_seconds, waits
from lakehouse.kafka_access import Kafka, KafkaAccess, let_in
from specs.errors import Unavailable
from specs.loader import Specs
from specs.ops import Retry

DEFAULT_PARTITIONS = 4
LOGIN_SECONDS = 5.0
MILLISECONDS_A_DAY = 86_400_000
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PartitionOffsets:
    """Where one partition begins (first kept offset) and ends (next offset to be written)."""

    topic: str
    partition: int
    begin: int
    end: int


@dataclass(frozen=True)
class PartitionLag:
    """How far a consumer group is behind on one partition.

    ``committed`` is None before the group's first commit; the lag is then everything that is kept.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int


class TopicAdmin:
    """Looks after the topics of the specs on one Kafka."""

    def __init__(self, kafka: Kafka, retry: Retry) -> None:
        """Connect to ``kafka``; use as a context manager.

        Raises:
            Unavailable: the broker does not answer within the patience of ``retry``, or lets us
                not in.
        """
        self._kafka, self._retry = kafka, retry
        self._wait_ms = int(patience_seconds(retry) * 1000)
        let_in(kafka, LOGIN_SECONDS)
        try:
            self._client = KafkaAdminClient(
                **KafkaAccess.of(kafka).admin(),
                client_id="traffic-admin",
                bootstrap_timeout_ms=self._wait_ms,
                request_timeout_ms=self._wait_ms,
                reconnect_backoff_max_ms=int(retry.max_wait_seconds * 1000),
            )
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {kafka} does not answer: {error}") from error

    def __enter__(self) -> Self:
        """Return the admin itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask again while Kafka says that it may help, such as while a coordinator is elected."""
        for wait in [*waits(self._retry), None]:
            try:
                return question()
            except (KafkaError, OSError) as error:
                if wait is None or not getattr(error, "retriable", False):
                    reason = str(error) or type(error).__name__
                    raise Unavailable(f"Kafka at {self._kafka}: {reason}") from error
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def create(
        self, specs: Specs, partitions: int = DEFAULT_PARTITIONS, replicas: int = 1
    ) -> list[str]:
        """Create the topics of the specs and their dead-letter topics; one that exists stays.

        Args:
            specs: topics, and how long each keeps its messages (a topic that ``ops.yaml`` does
                not name keeps them as long as the broker's default).
            partitions: of each new topic.
            replicas: of each partition, on brokers of their own.

        Returns:
            Names of the topics that were created, sorted.
        """
        wanted = sorted(wanted_topics(specs))
        created = []
        for name in wanted:
            options = {
                "num_partitions": partitions,
                "replication_factor": replicas,
                "configs": _retention(specs, name),
            }
            if self._ask(partial(self._create, name, options)):
                created.append(name)
        self._ask(lambda: self._client.wait_for_topics(wanted, timeout_ms=self._wait_ms))
        return created

    def _create(self, name: str, options: dict[str, Any]) -> bool:
        try:
            self._client.create_topics({name: options})
        except TopicAlreadyExistsError:
            return False
        return True

    def retain(self, specs: Specs) -> dict[str, int]:
        """Have the topics that exist keep their messages as long as ``ops.yaml`` says now.

        Returns:
            Days by name, of every topic that it names.

        Raises:
            Unavailable: Kafka does not answer, or refuses.
        """
        wanted = {name: found for name in sorted(wanted_topics(specs))
                  if (found := _retention(specs, name))}  # fmt: skip
        topics = [ConfigResource(ConfigResourceType.TOPIC, name, each)
                  for name, each in wanted.items()]  # fmt: skip
        said = self._ask(
            lambda: self._client.alter_configs(topics, raise_on_unknown=False, incremental=True)
        ).get("topic", {})
        for name, answer in said.items():
            if answer != "OK":
                raise Unavailable(f"Kafka at {self._kafka}, topic {name}: {answer}")
        return {name: specs.ops.retention[f"topic:{name}"].days for name in wanted}

    def offsets(self, topics: Iterable[str]) -> list[PartitionOffsets]:
        """Beginning and end of every partition of ``topics`` that exist, by topic and partition."""
        known = self._ask(lambda: set(self._client.list_topics()) & set(topics))
        described = self._ask(lambda: self._client.describe_topics(sorted(known))) if known else []
        places = sorted(
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in described
            for partition in topic["partitions"]
        )
        begin = self._ask(partial(self._at, places, OffsetSpec.EARLIEST))
        end = self._ask(partial(self._at, places, OffsetSpec.LATEST))
        return [PartitionOffsets(p.topic, p.partition, begin[p], end[p]) for p in places]

    def newest_ms(self, topic: str) -> int:
        """Kafka's timestamp of the newest record of ``topic``, in ms; -1 where it holds none."""
        places = [TopicPartition(topic, one.partition) for one in self.offsets([topic])]
        asked = dict.fromkeys(places, OffsetSpec.MAX_TIMESTAMP)
        found = self._ask(lambda: self._client.list_partition_offsets(asked))
        return max(int(one.timestamp) for one in found.values())

    def _at(self, places: list[Any], spec: Any) -> dict[Any, int]:
        if not places:
            return {}
        found = self._client.list_partition_offsets(dict.fromkeys(places, spec))
        return {place: offset.offset for place, offset in found.items()}

    def lag(self, group: str, topic: str) -> list[PartitionLag]:
        """How far consumer group ``group`` is behind on each partition of ``topic``."""
        lags = []
        for ends in self.offsets([topic]):
            place = TopicPartition(topic, ends.partition)
            reached = self._ask(partial(self._committed, group, place))
            behind = ends.end - max(ends.begin, reached or 0)
            lags.append(PartitionLag(topic, ends.partition, reached, ends.end, behind))
        return lags

    def _committed(self, group: str, place: Any) -> int | None:
        found = self._client.list_group_offsets({group: [place]})[group].get(place)
        return int(found.offset) if found is not None and found.offset >= 0 else None


def _retention(specs: Specs, topic: str) -> dict[str, str]:
    kept = specs.ops.retention.get(f"topic:{topic}")
    return {"retention.ms": str(kept.days * MILLISECONDS_A_DAY)} if kept else {}


def wanted_topics(specs: Specs) -> set[str]:
    """Names of the topics of the specs and of their dead-letter topics."""
    return {
        name for topic in specs.topics.values() for name in (topic.topic, topic.dead_letter_topic)
    }

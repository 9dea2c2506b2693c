"""Rows of silver and gold as JSON messages on their topic."""

import time
from typing import Protocol

import pyarrow as pa
from confluent_kafka import Producer

from lakehouse.kafka_access import Kafka, KafkaAccess, KafkaRefusal, fatal_told
from lakehouse.sql import select
from specs.errors import Unavailable
from specs.tables import TopicSpec

PATIENCE_SECONDS = 120.0
"""How long what was sent waits for a broker that is away, as one that is started again."""

QUEUE_WAIT_SECONDS = 1.0
ROWS_AT_ONCE = 20_000
ISO_8601 = "%Y-%m-%dT%H:%M:%S.%fZ"


def messages(rows: pa.Table, key: str) -> list[tuple[str, str]]:
    """Key and JSON of each row; timestamps as ISO 8601 in UTC."""
    texts = [
        f"strftime({field.name} AT TIME ZONE 'UTC', '{ISO_8601}') AS {field.name}"
        if pa.types.is_timestamp(field.type) else field.name
        for field in rows.schema
    ]  # fmt: skip
    found = select(
        f"SELECT message.{key} AS key, CAST(to_json(message) AS VARCHAR) AS value"
        f" FROM (SELECT {', '.join(texts)} FROM rows) AS message", rows=rows,
    )  # fmt: skip
    return list(zip(found["key"].to_pylist(), found["value"].to_pylist(), strict=True))


class Publisher(Protocol):
    """Takes committed rows for a topic."""

    def send(self, topic: TopicSpec, rows: pa.Table, *, dead: bool = False) -> None:
        """Queue ``rows`` for ``topic``, or with ``dead`` for its dead-letter topic."""

    def flush(self) -> None:
        """Return once everything that was sent is safe."""


class KafkaPublisher:
    """Sends committed rows: at least once, keyed, the newest revision wins."""

    def __init__(self, kafka: Kafka) -> None:
        """Connect to ``kafka``."""
        self._kafka, self._refusal = kafka, KafkaRefusal(kafka)
        self._producer = Producer({
            **KafkaAccess.of(kafka).client(), "error_cb": self._refusal,
            "enable.idempotence": True, "linger.ms": 5,
            "compression.type": "lz4", "queue.buffering.max.messages": 200_000,
            "on_delivery": self._note,
                "log_level": 2,  # what goes wrong is said by delivery reports and by flush
        })  # fmt: skip
        self._failures: list[str] = []

    def send(self, topic: TopicSpec, rows: pa.Table, *, dead: bool = False) -> None:
        """Queue ``rows`` for ``topic``, or with ``dead`` for its dead-letter topic."""
        name = topic.dead_letter_topic if dead else topic.topic
        for start in range(0, rows.num_rows, ROWS_AT_ONCE):
            for key, value in messages(rows.slice(start, ROWS_AT_ONCE), topic.key):
                self._produce(name, value, key)
            self._producer.poll(0)

    def _produce(self, topic: str, value: str, key: str) -> None:
        """Queue a message, once Kafka has taken some of a queue that is full."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._producer.produce(topic, value, key)
            except BufferError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"Kafka takes no more rows of {topic}") from None
                self._producer.poll(QUEUE_WAIT_SECONDS)
                self._refusal.check()
            else:
                return

    def _note(self, error: object, _message: object) -> None:
        if error is not None:
            self._failures.append(str(error))

    def flush(self) -> None:
        """Wait until Kafka has acknowledged everything that was sent.

        Raises:
            Unavailable: Kafka did not, within two minutes or for good; it is told once.
        """
        with fatal_told(self._kafka):
            left = self._producer.flush(PATIENCE_SECONDS)
        self._refusal.check()
        failures, self._failures = self._failures, []
        if left or failures:
            reason = failures[0] if failures else "no answer"
            raise Unavailable(f"Kafka has not taken {left or len(failures)} rows: {reason}")

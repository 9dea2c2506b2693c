"""Committed rows as JSON messages on their topic."""

import pyarrow as pa
from confluent_kafka import Producer

from lakehouse.sql import select
from specs.errors import Unavailable
from specs.tables import TopicSpec

FLUSH_SECONDS = 30.0
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


class Publisher:
    """Sends committed rows: at least once, keyed, the newest revision wins."""

    def __init__(self, bootstrap: str) -> None:
        """Connect to Kafka at ``bootstrap``."""
        self._producer = Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        })  # fmt: skip
        self._failures: list[str] = []

    def send(self, topic: TopicSpec, rows: pa.Table, *, dead: bool = False) -> None:
        """Queue ``rows`` for ``topic``, or with ``dead`` for its dead-letter topic."""
        name = topic.dead_letter_topic if dead else topic.topic
        for key, value in messages(rows, topic.key):
            self._producer.produce(name, value, key, on_delivery=self._note)
        self._producer.poll(0)

    def _note(self, error: object, _message: object) -> None:
        if error is not None:
            self._failures.append(str(error))

    def flush(self) -> None:
        """Wait until Kafka has acknowledged everything that was sent.

        Raises:
            Unavailable: Kafka did not, within 30 s or for good.
        """
        left = self._producer.flush(FLUSH_SECONDS)
        if left or self._failures:
            reason = self._failures[0] if self._failures else "no answer"
            raise Unavailable(f"Kafka has not taken {left or len(self._failures)} rows: {reason}")

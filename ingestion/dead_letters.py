"""Dead letters on their way to topic traffic_event_dlq."""

from typing import Any

import pyarrow as pa
from confluent_kafka import Producer

from lakehouse.kafka_access import Kafka, KafkaAccess
from lakehouse.publish import PATIENCE_SECONDS
from specs.errors import Unavailable
from specs.tables import TopicSpec

HEADERS = ("topic", "partition", "offset", "reason", "spec_version")


MAX_BYTES = 400_000
"""Of a key or a value on the topic, where a record may have 1 MB as it stands. One that came
compressed may unpack to hundreds; bronze.dead_letter has it whole."""


class DeadLetterTopic:
    """Sends records that failed a rule: key and value byte for byte, the verdict as headers.

    Of a key or a value that is too large for the topic the beginning, with its whole size as
    header ``key_bytes`` or ``value_bytes``.
    """

    def __init__(self, topic: TopicSpec, kafka: Kafka) -> None:
        """Send to the dead-letter topic of ``topic`` on ``kafka``."""
        self._name = topic.dead_letter_topic
        self._producer = Producer(
            {**KafkaAccess.of(kafka).client(), "enable.idempotence": True, "log_level": 2}
        )
        self._failures: list[str] = []

    def send(self, dead: pa.Table) -> None:
        """Send rows of bronze.dead_letter and wait for Kafka's acknowledgement.

        Raises:
            Unavailable: Kafka did not take them, within two minutes or for good.
        """
        for row in dead.to_pylist():
            (key, value), headers = _cut(row), _headers(row)
            self._producer.produce(self._name, value, key, headers=headers, on_delivery=self._note)
        left = self._producer.flush(PATIENCE_SECONDS)
        if left or self._failures:
            reason = self._failures[0] if self._failures else "no answer"
            count = left or len(self._failures)
            raise Unavailable(f"{self._name} has not taken {count} dead letters: {reason}")

    def _note(self, error: object, _message: object) -> None:
        if error is not None:
            self._failures.append(str(error))


def _cut(row: dict[str, Any]) -> tuple[bytes | None, bytes | None]:
    """Key and value, each no longer than the topic takes."""
    key, value = row["raw_key"], row["raw_value"]
    return key and key[:MAX_BYTES], value and value[:MAX_BYTES]


def _headers(row: dict[str, Any]) -> list[tuple[str, str | bytes | None]]:
    texts = {name: str(row[name]) for name in HEADERS} | {"rule_ids": ",".join(row["rule_ids"])}
    for name in ("key", "value"):
        whole = row[f"raw_{name}"]
        if whole is not None and len(whole) > MAX_BYTES:
            texts[f"{name}_bytes"] = str(len(whole))
    return [(name, text.encode()) for name, text in texts.items()]

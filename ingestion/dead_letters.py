"""Dead letters on their way to topic traffic_event_dlq."""

from typing import Any

import pyarrow as pa
from confluent_kafka import Producer

from lakehouse.kafka_access import Kafka, KafkaAccess
from lakehouse.publish import PATIENCE_SECONDS
from specs.errors import Unavailable
from specs.tables import TopicSpec

HEADERS = ("topic", "partition", "offset", "reason", "spec_version")


class DeadLetterTopic:
    """Sends records that failed a rule: key and value byte for byte, the verdict as headers."""

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
            self._producer.produce(
                self._name, row["raw_value"], row["raw_key"], headers=_headers(row),
                on_delivery=self._note,
            )  # fmt: skip
        left = self._producer.flush(PATIENCE_SECONDS)
        if left or self._failures:
            reason = self._failures[0] if self._failures else "no answer"
            raise Unavailable(f"{self._name} has not taken {left} dead letters: {reason}")

    def _note(self, error: object, _message: object) -> None:
        if error is not None:
            self._failures.append(str(error))


def _headers(row: dict[str, Any]) -> list[tuple[str, str | bytes | None]]:
    texts = {name: str(row[name]) for name in HEADERS} | {"rule_ids": ",".join(row["rule_ids"])}
    return [(name, text.encode()) for name, text in texts.items()]

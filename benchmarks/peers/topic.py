"""What every peer is given, and a bare read of the whole topic."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition
from pydantic_settings import BaseSettings, SettingsConfigDict

from lakehouse.kafka_access import FETCHING
from specs.errors import Unavailable
from specs.loader import load_specs

METADATA_SECONDS, PATIENCE_SECONDS = 10.0, 30.0


class PeerSettings(BaseSettings):
    """Of one run of one peer, from the environment.

    Attributes:
        bootstrap: Kafka's address.
        table: folder of the Delta table that it writes.
        records: that the topic holds.
        max_records: a commit is full at this many ...
        max_seconds: ... or has waited this long for more.
    """

    model_config = SettingsConfigDict(env_prefix="PEER_", frozen=True)

    bootstrap: str
    table: Path
    records: int
    max_records: int
    max_seconds: float

    @property
    def topic(self) -> str:
        """The topic that is emptied."""
        return load_specs().topics["traffic_event"].topic


def batches(settings: PeerSettings) -> Iterator[list[Message]]:
    """All records of the topic, fetched as the lander fetches; no group, no rebalance.

    Raises:
        Unavailable: Kafka refuses, or gives nothing for half a minute.
    """
    options: dict[str, Any] = {
        **FETCHING, "bootstrap.servers": settings.bootstrap, "group.id": "peer",
        "enable.auto.commit": False, "auto.offset.reset": "earliest",
    }  # fmt: skip
    consumer = Consumer(options)
    try:
        found = consumer.list_topics(settings.topic, METADATA_SECONDS).topics[settings.topic]
        consumer.assign([TopicPartition(settings.topic, number, 0) for number in found.partitions])
        left, silent = settings.records, 0.0
        while left > 0:
            messages = consumer.consume(settings.max_records, settings.max_seconds)
            for message in messages:
                if message.error() is not None:
                    raise Unavailable(f"Kafka: {message.error()}")
            silent = 0.0 if messages else silent + settings.max_seconds
            if silent > PATIENCE_SECONDS:
                raise Unavailable(f"{left} records of {settings.topic} did not come")
            left -= len(messages)
            if messages:
                yield messages
    finally:
        consumer.close()

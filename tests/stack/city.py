"""A small simulated city on the topic, and what Kafka holds of it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
from confluent_kafka import Consumer, Message, TopicPartition

from ingestion.city import simulated_city
from ingestion.disturbance import Disturbance, disturb
from ingestion.producer import KafkaSender, send_all
from ingestion.records import Records, Truth, joined
from ingestion.registration import register_segments
from ingestion.simulator import Simulation
from ingestion.topics import TopicAdmin
from lakehouse.tables import Lake
from specs.loader import Specs

SEGMENTS, INTERVAL_SECONDS = 20, 300
START, HISTORY = datetime(2024, 5, 5, 21, tzinfo=UTC), timedelta(days=2)
"""From Sunday evening on: each part of the training's split holds a rush hour."""

Place = tuple[int, int]
"""Partition and offset."""


@dataclass
class City:
    """A simulated city on the topic, and what was sent of it so far."""

    kafka: str
    specs: Specs
    truth: Truth
    history: Records | None = None

    def readings(self, start: datetime, length: timedelta) -> Records:
        source, topic = self.specs.sources["simulator"], self.specs.topics["traffic_event"]
        rate = SEGMENTS / INTERVAL_SECONDS
        simulation = Simulation(source, topic, simulated_city(source, SEGMENTS), rate, start)
        water = self.specs.transforms.watermark_seconds
        disturbance = Disturbance(0.02, 0.02, 0.02, watermark_seconds=water)
        readings = pa.Table.from_batches(simulation.readings(length.total_seconds()))
        return joined(list(disturb(readings.combine_chunks().to_batches(), disturbance)))

    def send(self, start: datetime, length: timedelta) -> Records:
        records, retry = self.readings(start, length), self.specs.ops.retries.unavailable
        with KafkaSender(self.kafka, "traffic_event", retry) as sender:
            truth, _ = send_all([records], sender)
        self.truth.counts += truth.counts
        return records

    def offsets(self) -> dict[int, Place]:
        with TopicAdmin(self.kafka, self.specs.ops.retries.unavailable) as admin:
            places = admin.offsets(["traffic_event"])
        return {place.partition: (place.begin, place.end) for place in places}

    def lake(self, home: Path, specs: Specs | None = None) -> Lake:
        """A lake that knows the city's segments."""
        lake = Lake(home / "lake", specs or self.specs)
        register_segments(lake, "simulator", count=SEGMENTS)
        return lake


def messages(kafka: str, topic: str) -> list[Message]:
    """All that the topic holds now."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"test-{uuid4()}"})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in partitions}
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    found: list[Message] = []
    deadline = time.monotonic() + 20
    while len(found) < sum(ends.values()) and time.monotonic() < deadline:
        found += consumer.consume(1000, 0.5)
    consumer.close()
    assert len(found) == sum(ends.values())
    return found

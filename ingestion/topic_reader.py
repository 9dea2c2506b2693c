"""Plain reads of a topic: what Kafka holds between two offsets, with no group and no judgement."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from lakehouse.kafka_access import FETCHING, Kafka, KafkaAccess, KafkaRefusal
from lakehouse.kafka_grants import OPERATOR, group_of
from specs.errors import Unavailable

RECORDS_AT_ONCE = 20_000
WAIT_SECONDS = 1.0
STAMP = pa.timestamp("us", tz="UTC")


def read_topic(
    kafka: Kafka, topic: str, offsets: Mapping[int, tuple[int, int]], patience_seconds: float
) -> Iterator[pa.Table]:
    """Records of ``topic``, in batches of ``partition, offset, kafka_timestamp, key, value``.

    Args:
        kafka: where, and who asks.
        topic: its name.
        offsets: partition to the first offset and the one after the last.
        patience_seconds: how long Kafka may give nothing before the read ends without the rest.

    Raises:
        Unavailable: Kafka refuses.
    """
    ends = {partition: end for partition, (begin, end) in offsets.items() if end > begin}
    if not ends:
        return
    refusal = KafkaRefusal(kafka)
    access = KafkaAccess.of(kafka)
    consumer = Consumer({
        **access.client(), **FETCHING, "error_cb": refusal, "log_level": 2,
        "group.id": group_of(access.user or OPERATOR),  # which is never joined
        "enable.auto.commit": False, "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    })  # fmt: skip
    try:
        consumer.assign([TopicPartition(topic, p, offsets[p][0]) for p in ends])
        silent = 0.0
        while ends and silent < patience_seconds:
            messages = consumer.consume(RECORDS_AT_ONCE, WAIT_SECONDS)
            refusal.check()
            silent = 0.0 if messages else silent + WAIT_SECONDS
            records = [message for message in messages if _is_record(message, ends)]
            if records:
                yield _table(records)
    finally:
        consumer.close()


def _is_record(message: Message, ends: dict[int, int]) -> bool:
    """Whether it is a record that was asked for; a partition that is read out leaves ``ends``."""
    error, partition, offset = message.error(), message.partition(), message.offset()
    if error is not None:
        if error.code() == KafkaError._PARTITION_EOF:
            ends.pop(partition or 0, None)
        elif error.fatal() or not error.retriable():
            raise Unavailable(f"Kafka: {error}")
        return False
    end = ends.get(partition or 0)
    if end is None or offset is None:
        return False
    if offset + 1 >= end:
        del ends[partition or 0]
    return offset < end


def _table(records: list[Message]) -> pa.Table:
    stamps = pa.array([r.timestamp()[1] for r in records], pa.timestamp("ms", tz="UTC"))
    return pa.table({
        "partition": pa.array([r.partition() for r in records], pa.int32()),
        "offset": pa.array([r.offset() for r in records], pa.int64()),
        "kafka_timestamp": stamps.cast(STAMP),
        "key": pa.array([r.key() for r in records], pa.binary()),
        "value": pa.array([r.value() for r in records], pa.binary()),
    })  # fmt: skip

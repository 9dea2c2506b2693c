"""Producer and topics against a real broker."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource
from typer.testing import CliRunner

from ingestion.city import simulated_city
from ingestion.disturbance import Disturbance, disturb
from ingestion.pacing import Schedule, SystemClock, pace
from ingestion.producer import KafkaSender, send_all
from ingestion.records import Records, joined, objects
from ingestion.simulator import Simulation
from ingestion.topics import DEFAULT_PARTITIONS, TopicAdmin, wanted_topics
from lakehouse.commands.produce import app as produce
from lakehouse.commands.topic import app as topic_commands
from specs.errors import Unavailable
from specs.loader import Specs
from specs.ops import Retry
from tests.edited_specs import edited_specs

Wire = tuple[bytes | None, bytes | None]

pytestmark = pytest.mark.stack

SHORT = Retry(attempts=2, first_wait_seconds=0.2, wait_factor=1, max_wait_seconds=1)

A_DAY_MS = 86_400_000


@pytest.fixture
def admin(kafka: str, specs: Specs) -> Iterator[TopicAdmin]:
    with TopicAdmin(kafka, specs.ops.retries.unavailable) as found:
        found.create(specs)
        yield found


def kept_ms(kafka: str, topic: str) -> int:
    """How long Kafka keeps the records of a topic."""
    client = AdminClient({"bootstrap.servers": kafka})
    (asked,) = client.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    return int(asked.result(20)["retention.ms"].value)


def records(specs: Specs, seconds: float) -> Records:
    """Readings of the simulated city, disturbed."""
    source, topic = specs.sources["simulator"], specs.topics["traffic_event"]
    start = datetime(2024, 5, 6, 7, tzinfo=UTC)
    simulation = Simulation(source, topic, simulated_city(source), 1000, start)
    disturbance = Disturbance(0.1, 0.1, 0.1, watermark_seconds=1)
    return joined(list(disturb(simulation.readings(seconds), disturbance)))


def ends(admin: TopicAdmin) -> dict[int, int]:
    return {row.partition: row.end for row in admin.offsets(["traffic_event"])}


def read(kafka: str, begin: dict[int, int], end: dict[int, int]) -> dict[int, list[Wire]]:
    """Key and value of every message between two sets of offsets, by partition."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"test-{uuid4()}"})
    found: dict[int, list[Wire]] = {partition: [] for partition in begin}
    consumer.assign([TopicPartition("traffic_event", p, at) for p, at in begin.items()])
    missing = sum(end.values()) - sum(begin.values())
    deadline = time.monotonic() + 20
    while missing > 0 and time.monotonic() < deadline:
        for message in consumer.consume(1000, 0.5):
            assert message.error() is None
            found[message.partition()].append((message.key(), message.value()))
            missing -= 1
    consumer.close()
    assert missing == 0
    return found


def test_creating_topics_twice_creates_them_once(admin: TopicAdmin, specs: Specs) -> None:
    assert admin.create(specs) == []
    partitions = {(row.topic, row.partition) for row in admin.offsets(wanted_topics(specs))}
    assert partitions >= {
        (name, p) for name in wanted_topics(specs) for p in range(DEFAULT_PARTITIONS)
    }


def test_topics_keep_their_records_as_long_as_the_specs_say_now(
    kafka: str, admin: TopicAdmin, specs: Specs, tmp_path: Path
) -> None:
    edit = ("ops.yaml", "topic:traffic_event: {days: 7}", "topic:traffic_event: {days: 3}")
    assert kept_ms(kafka, "traffic_event") == 7 * A_DAY_MS
    days = admin.retain(edited_specs(tmp_path, edit))
    assert (days["traffic_event"], days["segment_metric"]) == (3, 1)
    assert kept_ms(kafka, "traffic_event") == 3 * A_DAY_MS
    admin.retain(specs)
    assert kept_ms(kafka, "traffic_event") == 7 * A_DAY_MS


def test_every_record_is_delivered_as_it_was_and_in_order_of_its_key(
    admin: TopicAdmin, kafka: str, specs: Specs
) -> None:
    sent = records(specs, 5)
    begin = ends(admin)
    with KafkaSender(kafka, "traffic_event", specs.ops.retries.unavailable) as sender:
        truth, delivered = send_all([sent[:3000], sent[3000:]], sender)
    end = ends(admin)
    assert truth.events == 5000
    assert delivered.records == truth.records == len(sent)
    assert sum(end.values()) - sum(begin.values()) == len(sent)
    assert delivered.last_offsets == {p: at - 1 for p, at in end.items() if at > begin[p]}

    found = read(kafka, begin, end)
    by_key: dict[bytes | None, list[bytes | None]] = {}
    for messages in found.values():
        for key, value in messages:
            by_key.setdefault(key, []).append(value)
    expected: dict[bytes | None, list[bytes | None]] = {}
    for key, value in zip(sent.keys, sent.values, strict=True):
        expected.setdefault(key, []).append(value)
    # Records without a key go to any partition; all others keep their order.
    assert sorted(map(repr, by_key.pop(None))) == sorted(map(repr, expected.pop(None)))
    assert by_key == expected


def test_a_live_run_takes_as_long_as_its_event_time(
    admin: TopicAdmin, kafka: str, specs: Specs
) -> None:
    begin = ends(admin)
    result = CliRunner().invoke(
        produce, ["simulate", "--rate", "500", "--seconds", "2", "--bootstrap", kafka, "--json"]
    )
    assert result.exception is None
    report = json.loads(result.stdout)
    assert report["delivered"] == report["events"] == 1000
    assert 1.9 <= report["seconds"] < 10
    assert sum(ends(admin).values()) - sum(begin.values()) == 1000


def test_a_stopped_run_flushes_and_reports_what_it_sent(
    admin: TopicAdmin, kafka: str, specs: Specs
) -> None:
    stop = threading.Event()
    sent = records(specs, 5)
    begin = ends(admin)

    def stopping() -> Iterator[Records]:
        for part in pace([sent], Schedule(rate=1000), SystemClock(stop.is_set)):
            yield part
            stop.set()

    with KafkaSender(kafka, "traffic_event", specs.ops.retries.unavailable) as sender:
        truth, delivered = send_all(stopping(), sender)
    assert 0 < delivered.records == truth.records < len(sent)
    assert sum(ends(admin).values()) - sum(begin.values()) == delivered.records


def test_lag_is_everything_before_the_first_commit_and_then_what_is_left(
    admin: TopicAdmin, kafka: str, specs: Specs
) -> None:
    group = f"test-{uuid4()}"
    with KafkaSender(kafka, "traffic_event", specs.ops.retries.unavailable) as sender:
        send_all([records(specs, 1)], sender)
    before = admin.lag(group, "traffic_event")
    assert [row.lag for row in before] == [row.end for row in before]
    assert {row.committed for row in before} == {None}
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    first = before[0]
    consumer.commit(
        offsets=[TopicPartition("traffic_event", first.partition, first.end - 2)],
        asynchronous=False,
    )
    consumer.close()
    assert admin.lag(group, "traffic_event")[0].lag == 2


def test_a_topic_that_is_absent_or_a_broker_that_is_down_is_unavailable(kafka: str) -> None:
    with pytest.raises(Unavailable, match="has no topic nowhere"):
        KafkaSender(kafka, "nowhere", SHORT)
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        KafkaSender("127.0.0.1:1", "traffic_event", SHORT)
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        TopicAdmin("127.0.0.1:1", SHORT)


def test_a_record_the_broker_refuses_stops_the_sending(kafka: str, admin: TopicAdmin) -> None:
    huge = objects([b"x" * 2_000_000])
    record = Records(huge, huge, np.zeros(1), np.zeros(1), np.zeros(1, np.uint8))
    with (
        KafkaSender(kafka, "traffic_event", SHORT) as sender,
        pytest.raises(Unavailable, match="did not take 1 records"),
    ):
        send_all([record], sender)


def test_the_topic_list_shows_every_partition(kafka: str, admin: TopicAdmin) -> None:
    result = CliRunner().invoke(topic_commands, ["list", "--bootstrap", kafka])
    assert result.exception is None
    assert result.stdout.count("traffic_event/") == DEFAULT_PARTITIONS

"""Records that are small on the wire and large when they are read do not end the lander."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from ingestion.dead_letters import MAX_BYTES
from ingestion.lander import Lander, LandingPace
from ingestion.topics import TopicAdmin
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.stack import running
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import Specs

pytestmark = pytest.mark.stack

UNPACKED_BYTES = 40_000_000
MANY = 5_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(home=tmp_path_factory.mktemp("limits"), kafka_port=0)
    with running(settings, [KAFKA]) as servers:
        yield servers["kafka"]


def dead_messages(broker: str, partitions: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "limits"})
    places = [TopicPartition("traffic_event_dlq", number, 0) for number in range(partitions)]
    wanted = sum(consumer.get_watermark_offsets(place, 10)[1] for place in places)
    consumer.assign(places)
    found: list[Message] = []
    while len(found) < wanted:
        found += [one for one in consumer.consume(wanted, 10) if one.error() is None]
    consumer.close()
    return found


def test_what_grows_when_it_is_unpacked_is_one_dead_letter_each(
    broker: str, specs: Specs, tmp_path: Path
) -> None:
    with TopicAdmin(broker, specs.ops.retries.unavailable) as admin:
        admin.create(specs, partitions=1)
    bombs = Producer({
        "bootstrap.servers": broker, "compression.type": "zstd", "linger.ms": 0,
        "message.max.bytes": 2 * UNPACKED_BYTES, "batch.num.messages": 1,
    })  # fmt: skip
    taken: list[object] = []
    headers: list[tuple[str, str | bytes | None]] = [(f"h{n}", b"x" * 100) for n in range(MANY)]
    for key, value, more in (
        (b"k", b"[" * UNPACKED_BYTES, None), (b"k" * UNPACKED_BYTES, b"{}", None),
        (b"k", b"{}", headers), (b"k", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, None),
    ):  # fmt: skip
        bombs.produce("traffic_event", value, key, headers=more,
                      on_delivery=lambda error, _: taken.append(error))  # fmt: skip
        assert bombs.flush(120) == 0
    assert taken == [None] * 4, "the broker takes them: they are small when they are packed"

    lake = Lake(tmp_path / "lake", specs)
    lander = Lander(lake, broker, LandingPace(1000, 0.5))
    lander.run_once(lambda: False)
    lander.close()

    dead = lake.table("bronze.dead_letter")
    dead.refresh()
    rows = {row["offset"]: row for row in dead.read().to_pylist()}
    assert sorted(rows) == [0, 1, 2, 3]
    assert rows[0]["rule_ids"] == ["value_in_size"]
    assert len(rows[0]["raw_value"]) == len(rows[1]["raw_key"]) == UNPACKED_BYTES
    assert rows[2]["rule_ids"] == ["headers_in_count"]
    assert len(rows[2]["raw_headers"]) > MANY * 100
    assert rows[3]["rule_ids"] == ["value_in_depth"]
    told = {dict(one.headers() or [])["offset"]: one for one in dead_messages(broker, 1)}
    assert len(told) == 4
    assert told[b"0"].value() == b"[" * MAX_BYTES
    assert dict(told[b"0"].headers() or [])["value_bytes"] == str(UNPACKED_BYTES).encode()
    assert told[b"1"].key() == b"k" * MAX_BYTES
    assert "key_bytes" not in dict(told[b"2"].headers() or [])

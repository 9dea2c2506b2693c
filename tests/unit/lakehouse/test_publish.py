"""Committed rows as messages: keyed, JSON, times in ISO 8601."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest

from lakehouse import publish
from lakehouse.publish import KafkaPublisher, messages
from lakehouse.tables import Lake
from specs.errors import Unavailable
from tests.memory_publisher import MemoryPublisher
from tests.rows import metric, table


def test_a_row_is_its_key_and_a_json_object_of_all_columns(lake: Lake) -> None:
    rows = table(lake, "silver.segment_metric", [
        metric("s:a", 0.000001, detector_health=["no_data", "constant"]), metric('s:"é\n', 300),
    ])  # fmt: skip
    (first_key, first), (second_key, second) = messages(rows, "segment_id")
    assert (first_key, second_key) == ("s:a", 's:"é\n')
    assert json.loads(second)["segment_id"] == 's:"é\n'
    assert list(json.loads(first)) == rows.schema.names
    assert json.loads(first).items() >= {
        "window_start": "2018-03-05T00:00:00.000001Z", "window_seconds": 300,
        "window_date": "2018-03-05", "speed_kmh_mean": 45.0, "vehicle_count": None,
        "is_congested": True, "revision": 0,
    }.items()  # fmt: skip
    assert json.loads(first)["detector_health"] == ["no_data", "constant"]


def test_a_moment_of_another_zone_is_told_in_utc() -> None:
    cet = datetime(2018, 3, 5, 1, tzinfo=timezone(timedelta(hours=1)))
    seen_at = pa.array([cet], pa.timestamp("us", tz="Europe/Berlin"))
    rows = pa.table({"k": ["a"], "seen_at": seen_at})
    assert messages(rows, "k") == [("a", '{"k":"a","seen_at":"2018-03-05T00:00:00.000000Z"}')]


def test_no_row_is_no_message() -> None:
    assert messages(pa.table({"k": pa.array([], pa.string())}), "k") == []


def test_numbers_keep_every_digit() -> None:
    values = [0.1, 1 / 3, 1e-300, 123456789.123456789]
    rows = pa.table({"k": list("abcd"), "v": values, "n": [2**62, 1, 2, 3]})
    found = [json.loads(value) for _, value in messages(rows, "k")]
    assert [row["v"] for row in found] == values
    assert found[0]["n"] == 2**62


def test_refused_rows_go_to_the_dead_letter_topic_and_others_do_not(lake: Lake) -> None:
    publisher, topic = MemoryPublisher(), lake.specs.topics["segment_metric"]
    rows = table(lake, "silver.segment_metric", [metric("s:a", 0)])
    publisher.send(topic, rows)
    publisher.send(topic, rows, dead=True)
    assert {name: len(sent) for name, sent in publisher.sent.items()} == {
        "segment_metric": 1, "segment_metric_dlq": 1,
    }  # fmt: skip
    assert datetime.fromisoformat(
        json.loads(publisher.sent["segment_metric"][0][1])["window_end"]
    ) == datetime(2018, 3, 5, 0, 5, tzinfo=UTC)


class FullProducer:
    """A producer with room for one message more after each look at it, of which it loses some."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._told = options["on_delivery"]
        self.taken, self.room, self.loses = 0, 0, False

    def produce(self, topic: str, value: str, key: str) -> None:
        if not self.room:
            raise BufferError("the queue is full")
        self.room, self.taken = self.room - 1, self.taken + 1
        if self.loses:
            self._told("timed out", None)

    def poll(self, seconds: float) -> None:
        self.room = 1

    def flush(self, seconds: float) -> int:
        return 0


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> KafkaPublisher:
    monkeypatch.setattr(publish, "Producer", FullProducer)
    return KafkaPublisher("nowhere:1")


def test_a_full_queue_is_waited_for_again_and_again(lake: Lake, publisher: KafkaPublisher) -> None:
    rows = table(lake, "silver.segment_metric", [metric("s:a", 300 * n) for n in range(5)])
    publisher.send(lake.specs.topics["segment_metric"], rows)
    assert publisher._producer.taken == 5  # type: ignore[attr-defined]


def test_a_queue_that_stays_full_is_unavailable(
    lake: Lake, publisher: KafkaPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "PATIENCE_SECONDS", -1.0)
    rows = table(lake, "silver.segment_metric", [metric("s:a", 0)])
    with pytest.raises(Unavailable, match="takes no more rows of segment_metric"):
        publisher.send(lake.specs.topics["segment_metric"], rows)


def test_rows_that_kafka_has_lost_are_told_of_once(lake: Lake, publisher: KafkaPublisher) -> None:
    producer: Any = publisher._producer
    rows = table(lake, "silver.segment_metric", [metric("s:a", 0)])
    producer.loses = True
    publisher.send(lake.specs.topics["segment_metric"], rows)
    with pytest.raises(Unavailable, match="1 rows: timed out"):
        publisher.flush()
    producer.loses = False
    publisher.send(lake.specs.topics["segment_metric"], rows)
    publisher.flush()

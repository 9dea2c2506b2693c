"""Each record is read on its own: a bad one costs only itself, and says what is wrong with it."""

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ingestion.decode import Decoded, EventDecoder, Unreadable, json_depth
from ingestion.traffic_event import event_type
from specs.ops import Limits
from specs.tables import TopicSpec
from tests.kafka_record import KEY, SENT_MS, KafkaRecord, event_json

Decode = Callable[..., Decoded]
LIMIT, DEPTH, HEADERS = 1000, 4, 3
LIMITS = Limits(
    max_value_bytes=LIMIT, max_json_depth=DEPTH, max_headers=HEADERS, news_seconds=1
)  # fmt: skip


@pytest.fixture
def decode(topic: TopicSpec) -> Decode:
    decoder = EventDecoder([topic], event_type(topic), LIMITS)

    def values(*values: bytes | None) -> Decoded:
        return decoder.decode([KafkaRecord(value, number) for number, value in enumerate(values)])

    return values


def test_a_good_record_keeps_every_field_and_its_bytes(decode: Decode) -> None:
    value = event_json()
    [row] = decode(value).rows.to_pylist()
    assert row == {
        "event_id": "e1", "source": "simulator", "segment_id": "simulator:a",
        "event_time": datetime(2018, 3, 5, 12, tzinfo=UTC), "speed_kmh": 41.5,
        "vehicle_count": 3, "occupancy_ratio": 0.1, "travel_time_s": 87.0, "status": "ok",
        "schema_version": 1, "key": KEY, "raw_value": value, "partition": 0, "offset": 0,
        "kafka_timestamp": datetime(2018, 3, 5, 12, 0, 1, 500_000, tzinfo=UTC), "index": 0,
    }  # fmt: skip


def test_a_time_with_an_offset_is_the_same_instant_in_utc(decode: Decode) -> None:
    [row] = decode(event_json(event_time="2018-03-05T07:00:00.000001-05:00")).rows.to_pylist()
    assert row["event_time"] == datetime(2018, 3, 5, 12, 0, 0, 1, tzinfo=UTC)


def test_fields_that_are_not_required_may_be_absent_or_null(decode: Decode) -> None:
    rows = decode(event_json(speed_kmh=...), event_json(speed_kmh=None)).rows
    assert rows["speed_kmh"].to_pylist() == [None, None]


def test_a_key_that_the_schema_does_not_know_is_ignored(decode: Decode) -> None:
    found = decode(event_json(), event_json(lane=2), event_json(), event_json(lane=[{}]), b"{}")
    assert found.rows["index"].to_pylist() == [0, 1, 2, 3]
    assert [bad.index for bad in found.unreadable] == [4]


def test_invalid_utf8_is_found_where_no_field_is(decode: Decode) -> None:
    found = decode(event_json(**{"l#ne": 2}).replace(b"#", b"\x80"))
    assert [bad.rule_id for bad in found.unreadable] == ["value_is_utf8"]


def test_each_record_that_cannot_be_read_says_why(decode: Decode) -> None:
    good = event_json()
    found = decode(
        good, None, b"", b"speed=41.3", good[:-1], good + b"}", b"[]", b"\xff\xfe{}",
        good.replace(b"41.5", b"NaN"), b" " * (LIMIT + 1), event_json(speed_kmh="fast"),
        event_json(event_time=...), event_json(event_time="2018-03-05T12:00:00"), good,
    )  # fmt: skip
    assert found.rows["index"].to_pylist() == [0, 13]
    said = [(bad.index, bad.rule_id, bad.reason.split(" (byte")[0]) for bad in found.unreadable]
    assert said == [
        (1, "value_present", "the value is null (a tombstone)"),
        (2, "value_present", "the value is empty"),
        (3, "value_is_json", "the value is not JSON: JSON is malformed: invalid character"),
        (4, "value_is_json", "the value is not JSON: Input data was truncated"),
        (5, "value_is_json", "the value is not JSON: JSON is malformed: trailing characters"),
        (6, "value_has_shape", "Expected `object`, got `array`"),
        (7, "value_is_utf8", "the value is not UTF-8: invalid start byte at byte 0"),
        (8, "value_is_json", "the value is not JSON: JSON is malformed: invalid character"),
        (9, "value_in_size", "the value has 1001 bytes, more than 1000"),
        (10, "value_has_shape", "Expected `float | null`, got `str` - at `$.speed_kmh`"),
        (11, "value_has_shape", "Object missing required field `event_time`"),
        (12, "value_has_shape",
         "Expected `datetime` with a timezone component - at `$.event_time`"),
    ]  # fmt: skip


def test_a_value_of_exactly_the_limit_is_read(decode: Decode) -> None:
    value = event_json()
    assert decode(value + b" " * (LIMIT - len(value))).rows.num_rows == 1


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [DEPTH, 10_000])
def test_a_value_nested_too_deeply_breaks_only_its_own_record(
    topic: TopicSpec, opening: bytes, closing: bytes, depth: int
) -> None:
    wide = LIMITS.model_copy(update={"max_value_bytes": 100 * LIMIT})
    decoder = EventDecoder([topic], event_type(topic), wide)
    nested = opening * depth + b"1" + closing * depth
    deep = b'{"unknown":' + nested + b"," + event_json()[1:]
    values = (event_json(), deep, opening + nested + closing, event_json(lane=2), deep)
    decoded = decoder.decode([KafkaRecord(one, number) for number, one in enumerate(values)])
    assert decoded.rows["index"].to_pylist() == [0, 3]
    assert [one.index for one in decoded.unreadable] == [1, 2, 4]
    assert {one.rule_id for one in decoded.unreadable} == {"value_in_depth"}
    assert decoded.unreadable[0].reason == f"the value is nested {depth + 1} deep, more than 4"


def test_a_value_that_is_just_deep_enough_is_read(decode: Decode) -> None:
    deep = event_json(lane=[[[1]]], note='[{"[[[[' * 9)
    assert decode(event_json(), deep, deep).rows.num_rows == 3


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("7", 0), ("{}", 1), ('{"a": [1, {"b": []}]}', 4), ("[[], [], []]", 2), ("[[[", 3),
        ('["[[["]', 1), (r'["\"[[", []]', 2), (r'["\\", [["]]]"]]]', 3), ('["[[[', 1),
        ('["' + '\\"' * 50_000, 1), ("]]]]", 0),
    ],
)  # fmt: skip
def test_how_deep_a_value_is(text: str, depth: int) -> None:
    assert json_depth(text.encode()) == depth


def test_a_record_of_too_many_headers_breaks_alone(topic: TopicSpec) -> None:
    decoder = EventDecoder([topic], event_type(topic), LIMITS)
    pairs = tuple((f"h{number}", b"x") for number in range(HEADERS + 1))
    most = KafkaRecord(event_json(), 0, pairs=pairs[1:])
    more = KafkaRecord(event_json(), 1, pairs=pairs)
    decoded = decoder.decode([most, more, KafkaRecord(event_json(), 2)])
    assert decoded.rows["index"].to_pylist() == [0, 2]
    assert decoded.unreadable == [
        Unreadable(1, "headers_in_count", "the record has 4 headers, more than 3")
    ]


def test_text_that_no_unicode_is_stays_out_of_the_columns(decode: Decode) -> None:
    lone_surrogate = event_json(event_id="#").replace(b"#", b"\\ud800")
    assert [bad.rule_id for bad in decode(lone_surrogate).unreadable] == ["value_is_json"]


def test_numbers_past_their_column_break_only_their_own_record(decode: Decode) -> None:
    past, most = event_json(vehicle_count=2**63), event_json(vehicle_count=2**63 - 1)
    found = decode(past, most, event_json().replace(b"41.5", b"1e999"))
    assert found.rows["vehicle_count"].to_pylist() == [2**63 - 1]
    assert [bad.index for bad in found.unreadable] == [0, 2]


def test_times_outside_pythons_calendar_are_read(decode: Decode) -> None:
    rows = decode(
        event_json(event_time="0001-01-01T00:00:00+14:00"),
        event_json(event_time="9999-12-31T23:59:59-14:00"),
    ).rows
    assert rows["event_time"].cast(pa.string()).to_pylist() == [
        "0000-12-31 10:00:00.000000Z", "10000-01-01 13:59:59.000000Z",
    ]  # fmt: skip


def test_no_record_at_all_gives_no_row(decode: Decode) -> None:
    found = decode(b"", None)
    assert (found.rows.num_rows, len(found.unreadable)) == (0, 2)
    assert found.rows.schema.field("kafka_timestamp").type == pa.timestamp("us", tz="UTC")


def test_the_kafka_timestamp_is_in_milliseconds(decode: Decode) -> None:
    [stamp] = decode(event_json()).rows["kafka_timestamp"].to_pylist()
    assert stamp.timestamp() * 1000 == SENT_MS

"""Every record gets one verdict: it lands as it is, or it is a dead letter with its reasons."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.judge import Judge, Judged
from ingestion.malformed import malformed
from ingestion.records import MALFORMED
from specs.arrow import arrow_schema
from specs.loader import Specs, load_specs
from tests.edited_specs import edited_specs
from tests.kafka_record import KEY, SENT_MS, KafkaRecord, event, event_json

AT = datetime(2018, 3, 5, 12, 0, 2, tzinfo=UTC)
SEGMENTS = pa.table(
    {"segment_id": ["simulator:a", "nyc_dot:1"], "source": ["simulator", "nyc_dot"]}
)
JUDGE = Judge(load_specs())


def judge(*records: KafkaRecord) -> Judged:
    return JUDGE.judge(records, SEGMENTS, AT)


def verdict(record: KafkaRecord) -> tuple[list[str], str]:
    """Rules and reason of the one record that must be a dead letter."""
    judged = judge(record)
    assert judged.accepted.num_rows == 0
    [row] = judged.dead.to_pylist()
    return row["rule_ids"], row["reason"]


def of(**changes: Any) -> KafkaRecord:
    return KafkaRecord(event_json(**changes))


BAD: dict[str, tuple[KafkaRecord, list[str], str]] = {
    "not JSON": (KafkaRecord(b"speed=41.3"), ["value_is_json"], "the value is not JSON: "),
    "truncated": (KafkaRecord(event_json()[:40]), ["value_is_json"], "the value is not JSON: "),
    "a list": (KafkaRecord(b"[1]"), ["value_has_shape"], "Expected `object`, got `array`"),
    "text for a number": (
        of(speed_kmh="41.5"), ["value_has_shape"], "got `str` - at `$.speed_kmh`"),
    "number for a text": (of(event_id=7), ["value_has_shape"], "got `int` - at `$.event_id`"),
    "seconds for a time": (
        of(event_time=1520251200), ["value_has_shape"], "got `int` - at `$.event_time`"),
    "no zone": (of(event_time="2018-03-05T12:00:00"), ["value_has_shape"], "timezone component"),
    "a missing field": (of(source=...), ["value_has_shape"], "missing required field `source`"),
    "NaN": (KafkaRecord(event_json().replace(b"41.5", b"NaN")), ["value_is_json"], "not JSON: "),
    "infinity": (
        KafkaRecord(event_json().replace(b"41.5", b"1e999")), ["value_has_shape"],
        "Number out of range - at `$.speed_kmh`"),
    "a huge text": (
        of(event_id="x" * 70_000), ["value_in_size"], "bytes, more than 65536"),
    "a long text": (
        of(event_id="x" * 129), ["event_id_present"], "not a text of 1 to 128 characters"),
    "an empty id": (of(event_id=""), ["event_id_present"], "event_id is ''"),
    "a wrong unit": (
        of(speed_kmh=900), ["speed_in_range"],
        "speed_kmh is outside 0.1 to 250 km/h: wrong unit or a broken sensor (speed_kmh 900.0)"),
    "a negative speed": (of(speed_kmh=-5), ["speed_in_range"], "(speed_kmh -5.0)"),
    "no speed though ok": (
        of(speed_kmh=None), ["speed_present"], "an ok reading carries a speed"),
    "a percentage": (
        of(occupancy_ratio=12), ["occupancy_in_range"], "is a ratio from 0 to 1, not a percentage"),
    "a negative count": (
        of(vehicle_count=-1), ["vehicle_count_in_range"], "vehicle_count is -1, outside 0 to"),
    "two days on a segment": (
        of(travel_time_s=172_800), ["travel_time_in_range"], "outside 0 to 86400"),
    "an unknown segment": (
        of(segment_id="simulator:b"), ["segment_known"],
        "segment_id is not in silver.road_segment; register it with `traffic segment load`"),
    "a segment of another source": (of(segment_id="nyc_dot:1"), ["segment_known"], "road_segment"),
    "an unknown source": (
        of(source="atlantis"), ["source_known", "segment_known"],
        "source has no file in specs/sources; segment_id is not in"),
    "an unknown status": (
        of(status="perhaps"), ["status_known"], "status is 'perhaps', not one of ok, missing"),
    "a newer schema": (of(schema_version=3), ["schema_version_known"], "is 3, not one of 1, 2"),
    "the future": (
        of(event_time="2018-03-05T12:05:01.501Z"), ["not_from_the_future"],
        "event_time is more than 5 minutes past Kafka's own timestamp (event_time 2018-03-05"
        " 12:05:01.501000Z, kafka_timestamp 2018-03-05 12:00:01.500000Z)"),
    "years past": (
        of(event_time="1999-12-31T23:59:59.999Z"), ["not_from_the_past"],
        "event_time is before the source existed (valid_from in its specs/sources file)"),
    "the year 0": (
        of(event_time="0001-01-01T00:00:00+14:00"), ["not_from_the_past"],
        "(event_time 0000-12-31 10:00:00.000000Z"),
    "the year 10000": (
        of(event_time="9999-12-31T23:59:59-14:00"), ["not_from_the_future"],
        "(event_time 10000-01-01 13:59:59.000000Z"),
    "a null key": (KafkaRecord(event_json(), raw_key=None), ["key_present"], "key is missing"),
    "an empty value": (KafkaRecord(b""), ["value_present"], "the value is empty"),
    "a tombstone": (KafkaRecord(None), ["value_present"], "the value is null (a tombstone)"),
    "invalid UTF-8": (
        KafkaRecord(event_json(event_id="#").replace(b"#", b"\xff")), ["value_is_utf8"],
        "the value is not UTF-8: invalid start byte at byte 14"),
    "several faults": (
        KafkaRecord(event_json(speed_kmh=900, status="perhaps"), raw_key=None),
        ["key_present", "status_known", "speed_in_range"],
        "key is missing; status is 'perhaps'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_record_is_a_dead_letter_with_its_rules_and_reason(kind: str) -> None:
    record, rule_ids, reason = BAD[kind]
    found = verdict(record)
    assert found[0] == rule_ids
    assert reason in found[1]


@pytest.mark.parametrize("kind", MALFORMED)
def test_whatever_the_simulator_spoils_is_a_dead_letter(kind: str) -> None:
    key, value = malformed(kind, KEY, event_json())
    assert all(verdict(KafkaRecord(value, raw_key=key)))


GOOD: dict[str, KafkaRecord] = {
    "the lowest and highest speed": of(speed_kmh=0.1),
    "the highest speed": of(speed_kmh=250),
    "5 minutes past Kafka's timestamp": of(event_time="2018-03-05T12:05:01.500Z"),
    "the source's first moment": of(event_time="2000-01-01T00:00:00Z"),
    "no measurement, and says so": of(status="missing", speed_kmh=None),
    "an id of 128 characters": of(event_id="é" * 128),
    "an empty key": KafkaRecord(event_json(), raw_key=b""),
    "a full second of occupancy": of(occupancy_ratio=1),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_record_on_the_edge_of_its_rules_lands(kind: str) -> None:
    judged = judge(GOOD[kind])
    assert judged.dead.to_pylist() == []
    assert judged.accepted.num_rows == 1


def test_a_dead_letter_keeps_key_value_and_headers_byte_for_byte(specs: Specs) -> None:
    headers = (("trace", b"\x00\xff"), ("trace", None), ("é", b""))
    record = KafkaRecord(b"\xff\x00{", 41, raw_key=b"\xfe\x00", place=3, pairs=headers)
    [row] = judge(record).dead.to_pylist()
    assert msgspec.msgpack.decode(row.pop("raw_headers")) == [list(pair) for pair in headers]
    assert row == {
        "topic": "traffic_event", "partition": 3, "offset": 41,
        "kafka_timestamp": datetime.fromtimestamp(SENT_MS / 1000, UTC), "raw_key": b"\xfe\x00",
        "raw_value": b"\xff\x00{", "rule_ids": ["value_is_utf8"],
        "reason": "the value is not UTF-8: invalid start byte at byte 0", "failed_at": AT,
        "spec_version": specs.version, "resolved_at": None, "resolution": None,
        "resolved_spec_version": None,
    }  # fmt: skip


def test_good_records_land_unchanged_and_in_order_between_bad_ones() -> None:
    values = [event_json(event_id=f"e{number}") for number in range(6)]
    records = [
        KafkaRecord(b"" if number % 2 else value, 10 + number)
        for number, value in enumerate(values)
    ]
    judged = judge(*records)
    assert judged.accepted["offset"].to_pylist() == [10, 12, 14]
    assert judged.accepted["raw_value"].to_pylist() == values[::2]
    assert judged.accepted["event_id"].to_pylist() == ["e0", "e2", "e4"]
    assert judged.dead["offset"].to_pylist() == [11, 13, 15]


def test_an_accepted_row_has_all_that_bronze_stores(specs: Specs) -> None:
    [row] = judge(KafkaRecord(event_json(), 7, place=2)).accepted.to_pylist()
    context = {name: row.pop(name) for name in ("key", "is_segment_known", "source_valid_from")}
    assert context["key"] == KEY
    assert row == {
        **event(event_time=datetime(2018, 3, 5, 12, tzinfo=UTC)), "sensor_id": None,
        "event_date": datetime(2018, 3, 5, tzinfo=UTC).date(), "raw_value": event_json(),
        "topic": "traffic_event", "partition": 2, "offset": 7,
        "kafka_timestamp": datetime.fromtimestamp(SENT_MS / 1000, UTC), "landed_at": AT,
    }  # fmt: skip


def test_progress_covers_good_and_bad_records_of_each_partition() -> None:
    judged = judge(
        KafkaRecord(b"", 4, place=1), of(), KafkaRecord(event_json(), 9, place=1),
        KafkaRecord(None, 1, place=0),
    )  # fmt: skip
    assert judged.progress == {1: (4, 9), 0: (0, 1)}


def test_a_batch_of_bad_records_only_lands_no_row() -> None:
    judged = judge(KafkaRecord(b"", 0), KafkaRecord(None, 1))
    assert (judged.accepted.num_rows, judged.dead.num_rows) == (0, 2)
    assert judged.accepted.schema == arrow_schema(
        load_specs().tables["bronze.traffic_event"], with_context=True
    )


def test_an_empty_road_table_makes_every_segment_unknown() -> None:
    judged = JUDGE.judge([of()], SEGMENTS.slice(0, 0), AT)
    assert judged.dead["rule_ids"].to_pylist() == [["segment_known"]]


BYTES = st.binary(max_size=40)
TEXT = st.text(max_size=20)
MOMENT = st.datetimes(timezones=st.sampled_from([UTC])).map(datetime.isoformat)
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXT, MOMENT, st.just(...),
    st.lists(st.integers(), max_size=2), st.dictionaries(TEXT, st.none(), max_size=2),
)  # fmt: skip
MUTATED = st.dictionaries(st.sampled_from(sorted(event())), ANYTHING, max_size=3).map(
    lambda changes: event_json(**changes)
)


@st.composite
def spliced(draw: st.DrawFn) -> bytes:
    """A good record with a few bytes overwritten."""
    value, patch = event_json(), draw(BYTES)
    place = draw(st.integers(0, len(value)))
    return value[:place] + patch + value[place + len(patch) :]


@st.composite
def kafka_records(draw: st.DrawFn) -> list[KafkaRecord]:
    values = draw(st.lists(st.one_of(st.none(), BYTES, MUTATED, spliced()), min_size=1, max_size=6))
    headers = st.lists(st.tuples(TEXT, st.one_of(st.none(), BYTES)), max_size=2).map(tuple)
    return [
        KafkaRecord(
            value, number, draw(st.one_of(st.none(), BYTES)), draw(st.integers(0, 2)),
            draw(st.sampled_from([-1, 0, SENT_MS])), draw(headers),
        )
        for number, value in enumerate(values)
    ]  # fmt: skip


@settings(max_examples=150)
@given(kafka_records())
def test_every_record_gets_exactly_one_verdict_whatever_is_in_it(
    records: list[KafkaRecord],
) -> None:
    judged = judge(*records)
    landed, dead = judged.accepted, judged.dead.to_pylist()
    offsets = [*landed["offset"].to_pylist(), *(row["offset"] for row in dead)]
    assert sorted(offsets) == [record.number for record in records]
    for row in dead:
        record = records[row["offset"]]
        assert (row["raw_key"], row["raw_value"]) == (record.raw_key, record.raw_value)
        assert row["rule_ids"]
        assert 1 <= len(row["reason"]) <= 4000
    for number, value in zip(
        landed["offset"].to_pylist(), landed["raw_value"].to_pylist(), strict=True
    ):
        assert value == records[number].raw_value
        assert json.loads(value)["source"] == "simulator"


def test_an_edited_bound_moves_the_verdict(tmp_path: Path) -> None:
    bronze = "schemas/tables/bronze.traffic_event.yaml"
    stricter = Judge(edited_specs(tmp_path, (bronze, "min: 0.1, max: 250", "min: 0.1, max: 40")))
    record = of(speed_kmh=41.5)
    assert judge(record).accepted.num_rows == 1
    assert stricter.judge([record], SEGMENTS, AT).dead["rule_ids"].to_pylist() == [
        ["speed_in_range"]
    ]


@pytest.mark.parametrize(
    ("limit", "lower", "record", "rule"),
    [
        ("max_value_bytes: 65536", "max_value_bytes: 100", of(), "value_in_size"),
        ("max_json_depth: 32", "max_json_depth: 2", of(lane=[[1]]), "value_in_depth"),
        ("max_headers: 100", "max_headers: 1",
         KafkaRecord(event_json(), pairs=(("a", b""), ("b", None))), "headers_in_count"),
    ],
)  # fmt: skip
def test_an_edited_limit_moves_the_verdict(
    limit: str, lower: str, record: KafkaRecord, rule: str, tmp_path: Path
) -> None:
    assert judge(record).accepted.num_rows == 1
    tighter = Judge(edited_specs(tmp_path, ("ops.yaml", limit, lower)))
    assert tighter.judge([record], SEGMENTS, AT).dead["rule_ids"].to_pylist() == [[rule]]

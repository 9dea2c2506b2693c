"""The wire form of an event: what is written reads back the same, and bad records are refused."""

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.traffic_event import encode_events, event_schema, event_type
from specs.errors import WrongInput
from specs.loader import load_specs
from specs.tables import TopicSpec

TOPIC = load_specs().topics["traffic_event"]
GOOD = {
    "event_id": "e", "source": "s", "segment_id": "s:a", "event_time": "2018-03-01T00:02:03.000Z",
    "status": "ok", "schema_version": 1,
}  # fmt: skip

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
number = st.none() | st.floats(allow_nan=False, allow_infinity=False)
rows = st.fixed_dictionaries({
    "event_id": text, "source": text, "segment_id": text, "status": text,
    "event_time": st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    "speed_kmh": number, "occupancy_ratio": number, "travel_time_s": number,
    "vehicle_count": st.none() | st.integers(-(2**63), 2**63 - 1),
    "schema_version": st.integers(0, 9),
})  # fmt: skip


def decode(value: bytes) -> msgspec.Struct:
    return msgspec.json.decode(value, type=event_type(TOPIC))


@given(st.lists(rows, max_size=5))
def test_what_is_encoded_decodes_to_the_same_event(events: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(events, schema=event_schema(TOPIC))
    decoded = [msgspec.structs.asdict(decode(value)) for value in encode_events(table)]
    assert decoded == table.to_pylist()


def test_an_event_is_compact_json_without_its_null_fields(topic: TopicSpec) -> None:
    row = GOOD | {"event_time": datetime(2018, 3, 1, 0, 2, 3, tzinfo=UTC), "speed_kmh": 38.99}
    assert encode_events(pa.Table.from_pylist([row], schema=event_schema(topic))) == [
        b'{"event_id":"e","source":"s","segment_id":"s:a",'
        b'"event_time":"2018-03-01T00:02:03.000Z","speed_kmh":38.99,"status":"ok",'
        b'"schema_version":1}'
    ]


def test_rows_of_several_chunks_keep_their_order(topic: TopicSpec) -> None:
    moment = datetime(2018, 3, 1, tzinfo=UTC)
    chunks = [
        pa.Table.from_pylist(
            [GOOD | {"event_id": f"{chunk}-{row}", "event_time": moment} for row in range(3000)],
            schema=event_schema(topic),
        )
        for chunk in range(3)
    ]
    ids = [json.loads(value)["event_id"] for value in encode_events(pa.concat_tables(chunks))]
    assert ids == [f"{chunk}-{row}" for chunk in range(3) for row in range(3000)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(WrongInput, match="speed_kmh"):
        encode_events(pa.table({"speed_kmh": [1.0, value]}))


@pytest.mark.parametrize(
    "change",
    [
        {"event_time": "2018-03-01T00:02:03"},
        {"event_time": 1519862523},
        {"event_time": None},
        {"speed_kmh": "38.99"},
        {"vehicle_count": 2**63},
        {"vehicle_count": 1.5},
        {"schema_version": "1"},
        {"status": None},
    ],
)
def test_a_value_of_another_type_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(json.dumps(GOOD | change).encode())


@pytest.mark.parametrize("name", list(GOOD))
def test_a_required_field_that_is_absent_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=name):
        decode(json.dumps({k: v for k, v in GOOD.items() if k != name}).encode())


def test_a_time_keeps_its_offset_and_unknown_keys_are_ignored() -> None:
    record = GOOD | {"event_time": "2018-03-01T02:02:03+02:00", "weather": "rain"}
    event = decode(json.dumps(record).encode())
    assert event.event_time == datetime(2018, 3, 1, 0, 2, 3, tzinfo=UTC)  # type: ignore[attr-defined]
    assert event.event_time.tzinfo == timezone(timedelta(hours=2))  # type: ignore[attr-defined]


def test_the_columns_are_the_fields_of_the_spec_and_nullable_where_not_required() -> None:
    schema = event_schema(TOPIC)
    assert schema.names == [field.name for field in TOPIC.fields]
    assert schema.field("speed_kmh").nullable
    assert not schema.field("event_id").nullable
    assert schema.field("event_time").type == pa.timestamp("us", tz="UTC")

"""JSON Schemas of the topics: what producers send and what the lander takes is what they say."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.judge import Judge
from ingestion.sources import read_events
from ingestion.traffic_event import encode_events
from lakehouse.artifacts import ROOT
from lakehouse.publish import messages
from lakehouse.tables import Lake
from specs.errors import SpecError
from specs.json_schema import topic_schema
from specs.loader import Specs, load_specs
from tests.kafka_record import KafkaRecord, event
from tests.rows import metric, table
from tests.unit.ingestion.test_judge import ANYTHING, SEGMENTS

SPECS = load_specs()
JUDGE = Judge(SPECS)
AT = datetime(2018, 3, 5, 12, 0, 2, tzinfo=UTC)
FOLDER = ROOT / "contracts" / "topics"
BEYOND = {
    "key_present", "source_known", "segment_known", "not_from_the_future", "not_from_the_past",
}  # fmt: skip
"""Rules that look at more than the message; the schema's comment names them."""


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text())
    return found


def validator(name: str) -> Any:
    return jsonschema_rs.validator_for(schema(name), validate_formats=True)


EVENT, METRIC = validator("traffic_event.v1"), validator("segment_metric.v1")


def test_every_version_of_every_topic_has_a_schema(specs: Specs) -> None:
    wanted = {f"{name}.v{one.version}" for name, versions in specs.topic_versions.items()
              for one in versions}  # fmt: skip
    assert {path.name.removesuffix(".schema.json") for path in FOLDER.iterdir()} == wanted
    for name in wanted:
        assert jsonschema_rs.meta.is_valid(schema(name))


def test_a_schema_says_what_it_leaves_out() -> None:
    comment = schema("traffic_event.v1")["$comment"]
    assert {rule for rule in BEYOND if rule in comment} == BEYOND
    assert "speed_in_range" not in comment


REFUSED: dict[str, dict[str, Any]] = {
    "a wrong unit": {"speed_kmh": 900}, "a time without its offset": {
        "event_time": "2018-03-05T12:00:00"}, "a text for a number": {"speed_kmh": "41.5"},
    "an unknown status": {"status": "perhaps"}, "no speed though ok": {"speed_kmh": None},
    "no speed at all though ok": {"speed_kmh": ...}, "no source": {"source": ...},
    "another version": {"schema_version": 2}, "a percentage": {"occupancy_ratio": 12},
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_event_does_not_fit(what: str) -> None:
    assert EVENT.is_valid(event())
    assert not EVENT.is_valid(event(**REFUSED[what]))


MUTATED = st.dictionaries(st.sampled_from(sorted(event())), ANYTHING, max_size=3)


@given(MUTATED)
def test_an_event_lands_if_it_fits_and_fits_if_it_lands(changes: dict[str, Any]) -> None:
    """The producer's side: what fits is taken, but for rules beyond the message.

    The consumer's: what is taken fits.
    """
    raw = json.dumps(event(**changes))
    try:
        fits = EVENT.is_valid(json.loads(raw))
    except ValueError:  # NaN and infinity, which Python writes, are not JSON
        fits = False
    judged = JUDGE.judge([KafkaRecord(raw.encode())], SEGMENTS, AT)
    broken = {rule for row in judged.dead.to_pylist() for rule in row["rule_ids"]}
    if fits and "value_has_shape" in broken:  # to JSON Schema 3.0 is an integer, to us a number
        assert any(isinstance(value, float) and value.is_integer() for value in changes.values())
    elif fits:
        assert broken <= BEYOND
    elif changes.get("schema_version") != 2:
        assert broken - BEYOND


@pytest.mark.parametrize("source", ["nyc_dot"])
def test_what_the_producer_sends_fits(source: str, specs: Specs) -> None:
    batch = next(read_events(specs.sources[source], specs.topics["traffic_event"]))
    sent = encode_events(pa.Table.from_batches([batch]))
    assert len(sent) > 1000
    assert all(EVENT.is_valid(json.loads(value)) for value in sent)


def test_what_the_stream_publishes_fits(lake: Lake) -> None:
    rows = table(lake, "silver.segment_metric", [metric("s:a", 0), metric("s:a", 300)])
    for _, value in messages(rows, "segment_id"):
        assert METRIC.is_valid(json.loads(value)), next(METRIC.iter_errors(json.loads(value)))
    spoilt = json.loads(messages(rows, "segment_id")[0][1]) | {"event_count": 0}
    assert not METRIC.is_valid(spoilt)


def test_a_type_that_messages_do_not_carry_is_refused(specs: Specs) -> None:
    topic = specs.topics["segment_metric"].model_copy(update={"table": "bronze.dead_letter"})
    with pytest.raises(
        SpecError, match="topic segment_metric version 1: a message carries no binary"
    ):
        topic_schema(specs, topic)

"""The made cases: boundary rows of every rule, edges of every window, events of every version."""

import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa
import pytest

from ingestion.decode import EventDecoder
from ingestion.traffic_event import encode_events, reader_type
from lakehouse.tables import Lake
from lakehouse.transforms.reading_panes import reading_panes
from lakehouse.transforms.window_aggregate import window_aggregate
from quality.authority import Authority
from quality.expectations import broken_expectations
from quality.rules import verdicts
from quality.sample import BATCH_COLUMN
from quality.suites import columns_of
from specs.arrow import arrow_schema
from specs.loader import Specs, load_specs
from specs.tables import TableSpec
from tests.kafka_record import KafkaRecord
from tests.made_cases import Case, cases, rows_of
from tests.rows import reading, table

SPECS = load_specs()
RULED = [name for name in sorted(SPECS.tables) if SPECS.tables[name].rules]
EXPECTED = [name for name in sorted(SPECS.tables) if SPECS.tables[name].expectations]


@cache
def schema(name: str) -> pa.Schema:
    return arrow_schema(SPECS.tables[name], with_context=True)


def test_every_rule_and_expectation_has_cases_on_both_sides(specs: Specs) -> None:
    for name, one in specs.tables.items():
        sides: dict[str, set[bool]] = {}
        for case in (*cases(f"rows/{name}.json"), *cases(f"batches/{name}.json")):
            sides.setdefault(case["rule"], set()).add(case["passes"])
        wanted = {rule.id: {True, False} for rule in (*one.rules, *one.expectations)}
        assert sides == wanted, name


@pytest.mark.parametrize("name", RULED)
def test_the_compiled_rules_decide_the_boundary_rows(name: str) -> None:
    found = cases(f"rows/{name}.json")
    for rule in SPECS.tables[name].rules:
        own = [case for case in found if case["rule"] == rule.id]
        rows = rows_of([case["row"] for case in own], schema(name))
        accepted = verdicts(rows, [rule]).accepted.to_pylist()
        for case, verdict in zip(own, accepted, strict=True):
            assert verdict == case["passes"], case


@pytest.mark.parametrize("name", RULED)
def test_great_expectations_decides_the_boundary_rows(name: str) -> None:
    found = cases(f"rows/{name}.json")
    spec: TableSpec = SPECS.tables[name].model_copy(update={"expectations": ()})
    rows = rows_of([case["row"] for case in found], schema(name)).select(columns_of(spec))
    batch = pa.array([0] * rows.num_rows, pa.int64())
    failed = (
        Authority(spec).validate(rows.append_column(BATCH_COLUMN, batch), with_rows=True).failed
    )
    for number, case in enumerate(found):
        assert (number not in failed.get(case["rule"], set())) == case["passes"], case


@pytest.mark.parametrize("name", EXPECTED)
def test_the_compiled_expectations_decide_the_batches(name: str) -> None:
    spec = SPECS.tables[name]
    by_id = {rule.id: rule for rule in spec.expectations}
    for case in cases(f"batches/{name}.json"):
        rows = [row for row in case["rows"] for _ in range(row["times"])]
        used = arrow_schema(spec)
        broken = broken_expectations(rows_of(rows, used), [by_id[case["rule"]]])
        assert (broken == []) == case["passes"], case


def windows_of(readings: list[dict[str, Any]], lake: Lake) -> set[tuple[int, datetime]]:
    events = table(lake, "bronze.traffic_event", readings)
    made = window_aggregate(reading_panes(events, lake.specs.transforms), lake.specs.transforms)
    return {
        (row["window_seconds"], row["window_end"] - timedelta(seconds=row["window_seconds"]))
        for row in made.to_pylist()
    }


def test_every_window_is_half_open_at_both_its_edges(lake: Lake) -> None:
    found = cases("windows.json")
    assert len(found) >= 6
    for number, case in enumerate(found):
        at = datetime.fromisoformat(case["event_time"])
        wanted = {(size, datetime.fromisoformat(start)) for size, start in case["windows"]}
        one = reading(number, 0, event_time=at, event_date=at.date())
        assert windows_of([one], lake) == wanted, case["event_time"]


def test_every_window_has_its_edges_among_the_cases(specs: Specs) -> None:
    inside = {(size, start) for case in cases("windows.json") for size, start in case["windows"]}
    for window in specs.transforms.windows:
        moments = [
            datetime.fromisoformat(case["event_time"]) - datetime.fromisoformat(start)
            for case in cases("windows.json") for size, start in case["windows"]
            if size == window.size_seconds
        ]  # fmt: skip
        assert timedelta(0) in moments
        assert timedelta(seconds=window.size_seconds, microseconds=-1) in moments
    assert inside


VERSIONS = SPECS.topic_versions["traffic_event"]
DECODER = EventDecoder(VERSIONS, reader_type(VERSIONS), SPECS.ops.limits)


def decoded(event: Any) -> dict[str, Any] | None:
    """The columns of the event; None where it is refused."""
    rows = DECODER.decode([KafkaRecord(json.dumps(event).encode())]).rows.to_pylist()
    return rows[0] if rows else None


@pytest.mark.parametrize("version", [one.version for one in VERSIONS])
def test_every_event_gives_its_columns_or_is_refused(version: int) -> None:
    found = cases(f"events/traffic_event.v{version}.json")
    assert {case["columns"] is None for case in found} == {True, False}
    for case in found:
        row = decoded(case["event"])
        if case["columns"] is None:
            assert row is None, case["case"]
            continue
        assert row is not None, case["case"]
        wanted = case["columns"] | {"event_time": datetime.fromisoformat(
            case["columns"]["event_time"].replace("Z", "+00:00"))}  # fmt: skip
        assert {name: row[name] for name in wanted} == wanted, case["case"]


@pytest.mark.parametrize("version", [one.version for one in VERSIONS])
def test_what_is_written_again_is_read_the_same(version: int) -> None:
    topic = VERSIONS[version - 1]
    landed: list[Case] = [case for case in cases(f"events/traffic_event.v{version}.json")
                          if case["columns"] is not None]  # fmt: skip
    for case in landed:
        row = decoded(case["event"])
        assert row is not None
        fields = {field.name: row[field.column_name] for field in topic.fields}
        again = encode_events(pa.Table.from_pylist([fields], schema=pa.schema([
            (field.name, DECODER.decode([]).rows.schema.field(field.column_name).type)
            for field in topic.fields
        ])))  # fmt: skip
        read = decoded(json.loads(again[0]))
        assert read is not None
        assert read | {"raw_value": None} == row | {"raw_value": None}, case["case"]

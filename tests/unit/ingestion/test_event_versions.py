"""Events of schema 1 and 2 side by side: each lands in the same columns."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ingestion.judge import Judge
from lakehouse.commit import Note
from lakehouse.tables import Lake, LakeTable
from specs.loader import Specs, load_specs
from tests.kafka_record import KafkaRecord, event, event_json
from tests.rows import reading
from tests.unit.ingestion.test_judge import SEGMENTS

JUDGE = Judge(load_specs())
AT = datetime(2018, 3, 5, 12, 0, 2, tzinfo=UTC)


def second(**changes: Any) -> bytes:
    """A good event of schema 2."""
    new = {"schema_version": 2, "travel_time_s": ..., "traversal_time_s": 88.0, "sensor_id": "d1"}
    return event_json(**new | changes)


def landed(*values: bytes) -> list[tuple[Any, ...]]:
    records = [KafkaRecord(value, number) for number, value in enumerate(values)]
    judged = JUDGE.judge(records, SEGMENTS, AT)
    assert judged.dead.to_pylist() == []
    return [(row["schema_version"], row["travel_time_s"], row["sensor_id"])
            for row in judged.accepted.to_pylist()]  # fmt: skip


def test_both_versions_of_one_batch_fill_the_same_columns() -> None:
    assert landed(event_json(), second(), event_json(), second(sensor_id=...)) == [
        (1, 87, None), (2, 88, "d1"), (1, 87, None), (2, 88, None),
    ]  # fmt: skip


def test_a_batch_of_one_version_is_read_by_it() -> None:
    assert landed(event_json()) == [(1, 87, None)]
    assert landed(second()) == [(2, 88, "d1")]


def test_a_field_of_the_other_version_is_an_unknown_key() -> None:
    mixed = event_json(traversal_time_s=99.0, sensor_id="d1")
    assert landed(mixed, second(travel_time_s=99.0)) == [(1, 87, None), (2, 88, "d1")]


def test_a_new_field_of_the_wrong_type_is_a_dead_letter() -> None:
    judged = JUDGE.judge([KafkaRecord(second(sensor_id=7))], SEGMENTS, AT)
    [dead] = judged.dead.to_pylist()
    assert dead["rule_ids"] == ["value_has_shape"]
    assert "`$.sensor_id`" in dead["reason"]


def test_a_version_that_nobody_knows_is_a_dead_letter() -> None:
    judged = JUDGE.judge([KafkaRecord(event_json(schema_version=3))], SEGMENTS, AT)
    assert judged.dead["rule_ids"].to_pylist() == [["schema_version_known"]]


def test_a_table_of_an_older_spec_gains_the_new_column(lake: Lake, specs: Specs) -> None:
    spec = specs.tables["bronze.traffic_event"]
    kept = tuple(column for column in spec.columns if column.name != "sensor_id")
    folder = lake.folder(spec.table)
    older = LakeTable(spec.model_copy(update={"columns": kept}), folder, specs.ops)
    row = {name: value for name, value in reading(0, 0).items() if name != "sensor_id"}
    older.append(pa.Table.from_pylist([row], schema=older.schema), Note("land", "v"))
    newer = lake.table(spec.table)
    newer.append(
        pa.Table.from_pylist([reading(1, 0, sensor_id="d1")], schema=newer.schema),
        Note("land", "v"),
    )
    rows = newer.read().sort_by("offset").to_pylist()
    assert [(row["event_id"], row["sensor_id"]) for row in rows] == [("e0", None), ("e1", "d1")]


def test_the_tests_event_is_of_the_first_version() -> None:
    assert event()["schema_version"] == 1

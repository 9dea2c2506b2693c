"""Type names of the specs are Arrow types, however deeply they are nested."""

import pyarrow as pa
import pytest

from specs.arrow import arrow_schema, arrow_type
from specs.errors import SpecError
from specs.loader import Specs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("double", pa.float64()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("array<string>", pa.list_(pa.string())),
        ("map<string, long>", pa.map_(pa.string(), pa.int64())),
        (
            "array<struct<lat: double, lon: double>>",
            pa.list_(pa.struct([("lat", pa.float64()), ("lon", pa.float64())])),
        ),
        (
            "map<string,struct<at:timestamp, seen: array<map<integer, boolean>>>>",
            pa.map_(pa.string(), pa.struct([
                ("at", pa.timestamp("us", tz="UTC")),
                ("seen", pa.list_(pa.map_(pa.int32(), pa.bool_()))),
            ])),
        ),
    ],
)  # fmt: skip
def test_a_type_name_gives_its_arrow_type(name: str, expected: pa.DataType) -> None:
    assert arrow_type(name) == expected


@pytest.mark.parametrize(
    "name", ["", "int", "Array<string>", "array<>", "array<string", "list<long>"]
)
def test_a_name_that_is_no_type_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="is not a type"):
        arrow_type(name)


@pytest.mark.parametrize("name", ["array<string, long>", "map<string>", "struct<lat double>"])
def test_a_nested_type_with_the_wrong_number_of_parts_is_refused(name: str) -> None:
    with pytest.raises(SpecError):
        arrow_type(name)


def test_a_schema_has_the_columns_in_order_with_their_nullability(specs: Specs) -> None:
    table = specs.tables["bronze.traffic_event"]
    schema = arrow_schema(table)
    assert tuple(schema.names) == table.column_names
    assert not schema.field("event_id").nullable
    assert schema.field("speed_kmh").nullable


def test_the_context_is_no_part_of_the_stored_columns(specs: Specs) -> None:
    table = specs.tables["bronze.traffic_event"]
    stored, judged = arrow_schema(table), arrow_schema(table, with_context=True)
    assert "is_segment_known" not in stored.names
    assert judged.names == [*stored.names, "key", "is_segment_known", "source_valid_from"]

"""Arrow schemas from table specs."""

import re

import pyarrow as pa

from specs.errors import SpecError
from specs.tables import Column, TableSpec

PRIMITIVE_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "long": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "binary": pa.binary(),
}
PARTS = {"array": 1, "map": 2}


def _split_top_level(text: str) -> list[str]:
    """Split at the commas that stand outside angle brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "<") - (char == ">")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def arrow_type(type_name: str) -> pa.DataType:
    """Arrow type of a spec's type name, such as ``array<struct<lat: double, lon: double>>``.

    Raises:
        SpecError: the name is not a type.
    """
    if type_name in PRIMITIVE_TYPES:
        return PRIMITIVE_TYPES[type_name]
    match = re.fullmatch(r"(array|map|struct)<(.*)>", type_name)
    if match is None:
        raise SpecError(f"{type_name!r} is not a type; use one of {sorted(PRIMITIVE_TYPES)}")
    outer, parts = match[1], _split_top_level(match[2])
    if outer in PARTS and len(parts) != PARTS[outer]:
        raise SpecError(f"{type_name!r} is not a type: {outer} has {PARTS[outer]} in its brackets")
    if outer == "array":
        return pa.list_(arrow_type(parts[0]))
    if outer == "map":
        return pa.map_(arrow_type(parts[0]), arrow_type(parts[1]))
    fields = [part.partition(":") for part in parts]
    return pa.struct([(name.strip(), arrow_type(kind.strip())) for name, _, kind in fields])


def arrow_field(column: Column) -> pa.Field:
    """Arrow field of a column; its nullability is the column's."""
    return pa.field(column.name, arrow_type(column.type), nullable=column.nullable)


def arrow_schema(table: TableSpec, *, with_context: bool = False) -> pa.Schema:
    """Arrow schema of the stored columns, and with ``with_context`` also of the context."""
    columns = (*table.columns, *table.context) if with_context else table.columns
    return pa.schema([arrow_field(column) for column in columns])

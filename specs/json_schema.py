"""JSON Schemas of the topics: what a message must look like to land.

A schema says what one message alone can show. Rules that also look at the Kafka record or at other
tables are the lander's; the schema's comment names them.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from specs.arrow import arrow_type
from specs.errors import SpecError
from specs.loader import Specs
from specs.rules import Between, InSet, Length, NotNull, RowRule, tidy
from specs.tables import Column, EventField, TableSpec, TopicSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EVENTS = "bronze.traffic_event"
"""The table whose rules judge the events of a topic with fields of its own."""

Schema = dict[str, Any]


def _integer(bits: int) -> Schema:
    return {"type": "integer", "minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1}


SIMPLE: dict[pa.DataType, Schema] = {
    pa.string(): {"type": "string"},
    pa.int32(): _integer(32),
    pa.int64(): _integer(64),
    pa.float64(): {"type": "number"},
    pa.bool_(): {"type": "boolean"},
    pa.timestamp("us", tz="UTC"): {"type": "string", "format": "date-time"},
    pa.date32(): {"type": "string", "format": "date"},
}


def json_type(kind: pa.DataType) -> Schema:
    """JSON Schema of a value of an Arrow type, as messages write it.

    Raises:
        SpecError: messages do not carry such values.
    """
    if pa.types.is_list(kind):
        return {"type": "array", "items": json_type(kind.value_type)}
    if pa.types.is_map(kind):
        return {"type": "object", "additionalProperties": json_type(kind.item_type)}
    if pa.types.is_struct(kind):
        parts = {field.name: json_type(field.type) for field in kind}
        return {"type": "object", "properties": parts, "required": list(parts)}
    if kind not in SIMPLE:
        raise SpecError(f"a message carries no {kind}")
    return dict(SIMPLE[kind])


def _bounds(rule: Between, kind: Schema) -> Schema:
    """The rule's bounds, where they are narrower than the type's own."""
    bounds = {}
    if rule.min is not None:
        bounds["minimum"] = tidy(max(rule.min, kind.get("minimum", rule.min)))
    if rule.max is not None:
        bounds["maximum"] = tidy(min(rule.max, kind.get("maximum", rule.max)))
    return bounds


def _said(rule: RowRule, kind: Schema) -> Schema | None:
    """What a schema of the rule's one column can say of the rule; None where it cannot."""
    if isinstance(rule, Between):
        return _bounds(rule, kind)
    if isinstance(rule, Length):
        return {"minLength": rule.min, "maxLength": rule.max}
    if isinstance(rule, InSet):
        return {"enum": list(rule.values)}
    return None


def _conditional(rule: NotNull, names: dict[str, str], kinds: dict[str, Schema]) -> Schema:
    """``if`` the rule's condition holds, the column has a value."""
    column = names[rule.column]
    present = {"properties": {column: {"type": kinds[column]["type"]}}, "required": [column]}
    if rule.when is None:
        return present
    when = names[rule.when.column]
    condition = {"properties": {when: {"const": rule.when.equals}}, "required": [when]}
    return {"if": condition, "then": present}


def _judged(
    properties: dict[str, Schema], names: dict[str, str], rules: Iterable[RowRule],
    optional: set[str],
) -> Schema:  # fmt: skip
    """Narrow ``properties`` by the rules; return the schema's other keys."""
    kinds = {name: dict(one) for name, one in properties.items()}
    conditions, unsaid = [], []
    for rule in rules:
        if not set(rule.columns_used) <= set(names):
            unsaid.append(rule.id)
        elif isinstance(rule, NotNull):
            conditions.append(_conditional(rule, names, kinds))
        elif (said := _said(rule, kinds[names[rule.columns_used[0]]])) is not None:
            properties[names[rule.columns_used[0]]].update(said)
        else:
            unsaid.append(rule.id)
    for name in optional:
        one = properties[name]
        one["type"] = [one["type"], "null"]
        if "enum" in one:
            one["enum"] = [*one["enum"], None]
    rest: Schema = {}
    if conditions:
        rest["allOf"] = conditions
    if unsaid:
        rest["$comment"] = f"Not said here, judged where rows are written: {', '.join(unsaid)}."
    return rest


def _field(field: EventField) -> Schema:
    unit = f" [{field.unit}]" if field.unit else ""
    said = {"description": f"{field.description}{unit}", "examples": [field.example]}
    return json_type(arrow_type(field.type)) | said


def _of_fields(topic: TopicSpec, table: TableSpec) -> Schema:
    properties = {field.name: _field(field) for field in topic.fields}
    names = {field.column_name: field.name for field in topic.fields}
    optional = {field.name for field in topic.fields if not field.required}
    rest = _judged(properties, names, table.rules, optional)
    if "schema_version" in properties:
        properties["schema_version"].pop("enum", None)
        properties["schema_version"]["const"] = topic.version
    required = [field.name for field in topic.fields if field.required]
    return {"properties": properties, "required": required} | rest


def _column(column: Column) -> Schema:
    return json_type(arrow_type(column.type)) | {"description": column.comment}


def _of_table(table: TableSpec) -> Schema:
    properties = {column.name: _column(column) for column in table.columns}
    names = {column.name: column.name for column in table.columns}
    optional = {column.name for column in table.columns if column.nullable}
    rest = _judged(properties, names, table.rules, optional)
    return {"properties": properties, "required": list(properties)} | rest


def topic_schema(specs: Specs, topic: TopicSpec) -> Schema:
    """JSON Schema of one version of a topic's messages; keys that it does not name are ignored.

    Raises:
        SpecError: the topic's table has a column that no message carries.
    """
    try:
        if topic.table is None:
            shape = _of_fields(topic, specs.tables[EVENTS])
        else:
            shape = _of_table(specs.tables[topic.table])
    except SpecError as error:
        raise SpecError(f"topic {topic.topic} version {topic.version}: {error}") from error
    return {
        "$schema": DIALECT,
        "$id": f"urn:{specs.system.name}:{topic.topic}:{topic.version}",
        "title": f"{topic.topic} version {topic.version}",
        "description": topic.description,
        "type": "object",
        **shape,
    }


def topic_schemas(specs: Specs) -> dict[str, Schema]:
    """The schema of every version of every topic, by ``topic.vN``."""
    return {
        f"{name}.v{topic.version}": topic_schema(specs, topic)
        for name, versions in sorted(specs.topic_versions.items()) for topic in versions
    }  # fmt: skip

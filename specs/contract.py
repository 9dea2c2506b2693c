"""Data contracts in the Open Data Contract Standard (ODCS): one a layer, one a topic.

Source: Bitol, Open Data Contract Standard 3.2, https://bitol-io.github.io/open-data-contract-standard
"""

from typing import Any

import pyarrow as pa

from specs.arrow import arrow_type
from specs.json_schema import EVENTS
from specs.loader import Specs
from specs.rule_sql import broken_where, in_words
from specs.rules import Expectation, RowRule, tidy
from specs.system import Sla
from specs.tables import Column, TableSpec, TopicSpec
from specs.views import TRINO_TYPES, ViewSpec

API_VERSION = "v3.2.0"
PROMISES = {"bronze": ("throughput", "reliability"), "gold": ("freshness",)}
"""Kinds of service-level agreements, by the layer whose readers they are made to."""

SEVERITY = "error"
Part = dict[str, Any]

SIMPLE: dict[pa.DataType, Part] = {
    pa.string(): {"logicalType": "string"},
    pa.int32(): {"logicalType": "integer", "logicalTypeOptions": {"format": "i32"}},
    pa.int64(): {"logicalType": "integer", "logicalTypeOptions": {"format": "i64"}},
    pa.float64(): {"logicalType": "number", "logicalTypeOptions": {"format": "f64"}},
    pa.bool_(): {"logicalType": "boolean"},
    pa.timestamp("us", tz="UTC"): {
        "logicalType": "timestamp", "logicalTypeOptions": {"timezone": True}},
    pa.date32(): {"logicalType": "date"},
    pa.binary(): {"logicalType": "string", "logicalTypeOptions": {"format": "binary"}},
}  # fmt: skip
TRINO = {kind: name for name, kind in TRINO_TYPES.items()}
"""The specs' name of a view's column type, which is Trino's."""


def logical_type(kind: pa.DataType) -> Part:
    """The standard's logical type of an Arrow type."""
    if pa.types.is_list(kind):
        return {"logicalType": "array", "items": logical_type(kind.value_type)}
    if pa.types.is_map(kind):
        parts = {"key": logical_type(kind.key_type), "value": logical_type(kind.item_type)}
        return {"logicalType": "map", "map": parts}
    if pa.types.is_struct(kind):
        fields = [{"name": field.name} | logical_type(field.type) for field in kind]
        return {"logicalType": "object", "properties": fields}
    return {key: dict(v) if isinstance(v, dict) else v for key, v in SIMPLE[kind].items()}


def _unit(unit: str | None) -> Part:
    return {"customProperties": [{"property": "unit", "value": unit}]} if unit else {}


def _options(rule: RowRule) -> Part:
    """What a row rule says of its column's type."""
    if rule.kind == "between":
        bounds = {"minimum": rule.min, "maximum": rule.max}
        return {name: tidy(bound) for name, bound in bounds.items() if bound is not None}
    if rule.kind == "length":
        return {"minLength": rule.min, "maxLength": rule.max}
    return {}


def _narrowed(part: Part, name: str, rules: tuple[RowRule, ...]) -> Part:
    for rule in rules:
        if rule.column != name:
            continue
        if options := _options(rule):
            part["logicalTypeOptions"] = part.get("logicalTypeOptions", {}) | options
        if rule.kind == "in_set":
            part["enum"] = [{"value": value} for value in rule.values]
    return part


def _column(column: Column, table: TableSpec) -> Part:
    part: Part = {"name": column.name, "physicalType": column.type}
    part |= logical_type(arrow_type(column.type))
    if column.name in table.key:
        place = table.key.index(column.name) + 1
        part |= {"primaryKey": True, "primaryKeyPosition": place}
    if column.name in table.folders:
        place = table.folders.index(column.name) + 1
        part |= {"partitioned": True, "partitionKeyPosition": place}
    part |= {"required": not column.nullable, "description": column.description}
    return _narrowed(part | _unit(column.unit), column.name, table.rules)


def _row_check(rule: RowRule, table: TableSpec) -> Part:
    said = f"{in_words(rule)}." + (f" Refused as: {rule.reason}." if rule.reason else "")
    part: Part = {"id": rule.id, "name": rule.id, "description": said}
    if set(rule.columns_used) <= set(table.column_names):
        query = f"SELECT count(*) FROM {table.table} WHERE {broken_where(rule)}"
        part |= {"type": "sql", "query": query, "mustBe": 0}
    else:  # judged with what the Kafka record and other tables say, which no query of it sees
        part |= {"type": "text"}
    return part | {"severity": SEVERITY}


def _batch_check(rule: Expectation, table: TableSpec) -> Part:
    part: Part = {"id": rule.id, "name": rule.id}
    if rule.kind == "unique" and rule.columns == table.key:
        return part | {
            "description": f"No two rows share {', '.join(rule.columns)}.", "type": "library",
            "metric": "duplicateValues", "arguments": {"properties": list(rule.columns)},
            "mustBe": 0, "severity": SEVERITY,
        }  # fmt: skip
    if rule.kind == "unique":
        said = f"No two rows of a batch share {', '.join(rule.columns)}."
    else:
        said = (
            f"The mean of {rule.column} over a batch of {rule.min_rows} values and more is"
            f" {tidy(rule.min)} to {tidy(rule.max)}."
        )
    return part | {"description": said, "type": "text", "severity": SEVERITY}


def _table(table: TableSpec) -> Part:
    checks = [_row_check(rule, table) for rule in table.rules]
    checks += [_batch_check(rule, table) for rule in table.expectations]
    part: Part = {
        "id": table.table.split(".")[1], "name": table.table.split(".")[1],
        "physicalName": table.table, "physicalType": "table", "logicalType": "object",
        "description": table.description,
        "dataGranularityDescription": f"One row per {', '.join(table.key)}.",
        "properties": [_column(column, table) for column in table.columns],
    }  # fmt: skip
    return part | ({"quality": checks} if checks else {})


def _view(view: ViewSpec) -> Part:
    properties = [
        {"name": column.name, "physicalType": column.type}
        | logical_type(arrow_type(TRINO[column.type]))
        | {"description": column.description} | _unit(column.unit)
        for column in view.columns
    ]  # fmt: skip
    return {
        "id": view.view.split(".")[1], "name": view.view.split(".")[1], "physicalName": view.view,
        "physicalType": "view", "logicalType": "object", "description": view.description,
        "properties": properties,
    }  # fmt: skip


def _promise(sla: Sla) -> Part:
    bound = sla.at_least if sla.at_most is None else sla.at_most
    side = "at least" if sla.at_most is None else "at most"
    return {
        "id": sla.id, "property": sla.kind, "value": tidy(bound or 0), "unit": sla.unit,
        "description": f"{sla.description} {side.capitalize()} the value; `{sla.measured_by}`.",
        "driver": "operational",
    }  # fmt: skip


def _retention(name: str, days: int, element: str) -> Part:
    return {
        "id": f"retention_{element}", "property": "retention", "value": days, "unit": "d",
        "element": element, "description": f"{name} keeps what is younger.",
    }  # fmt: skip


def _head(specs: Specs, name: str, version: int, purpose: str, server: Part) -> Part:
    return {
        "apiVersion": API_VERSION, "kind": "DataContract", "id": f"{specs.system.name}.{name}",
        "name": name, "version": f"{version}.0.0", "status": "active", "domain": "road-traffic",
        "description": {"purpose": purpose}, "servers": [server],
    }  # fmt: skip


def layer_contract(specs: Specs, layer: str, server: Part) -> Part:
    """The contract of a layer's tables and views with whoever reads them by SQL."""
    tables = [table for name, table in sorted(specs.tables.items()) if table.layer == layer]
    views = [view for name, view in sorted(specs.views.items()) if name.split(".")[0] == layer]
    kept = {
        table.table: specs.ops.retention[table.table].days for table in tables
        if table.table in specs.ops.retention
    }  # fmt: skip
    promises = [_promise(sla) for sla in specs.system.slas if sla.kind in PROMISES.get(layer, ())]
    promises += [_retention(name, days, name.split(".")[1]) for name, days in kept.items()]
    readers = [
        {"role": access.user, "access": "read", "description": access.description}
        for access in specs.access.values() if layer in access.schemas
    ]  # fmt: skip
    purpose = f"The {layer} tables and views, for whoever asks by SQL. Nobody writes to them."
    head = _head(specs, layer, specs.system.spec_version, purpose, server | {"schema": layer})
    return head | {
        "schema": [*map(_table, tables), *map(_view, views)],
        "slaProperties": promises, "roles": readers,
    }  # fmt: skip


def _message(specs: Specs, topic: TopicSpec) -> Part:
    """One version of a topic's messages."""
    if topic.table is not None:
        table = specs.tables[topic.table]
        properties = [_column(column, table) for column in table.columns]
        for one in properties:
            one.pop("partitioned", None)
            one.pop("partitionKeyPosition", None)
    else:
        rules = specs.tables[EVENTS].rules
        properties = [
            _narrowed(
                {"name": field.name, "physicalType": field.type}
                | logical_type(arrow_type(field.type))
                | {"required": field.required, "description": field.description,
                   "examples": [field.example]} | _unit(field.unit),
                field.column_name, rules,
            )
            for field in topic.fields
        ]  # fmt: skip
    return {
        "id": f"{topic.topic}_v{topic.version}", "name": f"{topic.topic}_v{topic.version}",
        "physicalName": topic.topic, "physicalType": "topic", "logicalType": "object",
        "description": topic.description, "properties": properties,
        "customProperties": [
            {"property": "key", "value": topic.key},
            {"property": "schemaVersion", "value": topic.version},
            {"property": "maxValueBytes", "value": topic.max_value_bytes},
            {"property": "producers", "value": list(topic.producers)},
            {"property": "consumers", "value": list(topic.consumers)},
        ],
    }  # fmt: skip


def topic_contract(specs: Specs, name: str, server: Part) -> Part:
    """The contract of a topic, with every version that may be on the wire."""
    versions = specs.topic_versions[name]
    newest = versions[-1]
    head = _head(specs, name, newest.version, newest.description, server)
    topic = f"topic:{name}"
    kept = specs.ops.retention.get(topic)
    promises = [_retention(f"Topic {name}", kept.days, name)] if kept else []
    return head | {
        "schema": [_message(specs, version) for version in versions], "slaProperties": promises,
    }  # fmt: skip


def contracts(specs: Specs, kafka: Part, trino: Part) -> dict[str, Part]:
    """Every contract by its name.

    Args:
        specs: what is promised.
        kafka: the standard's server entry of the topics.
        trino: that of the tables, but for the schema.
    """
    layers = sorted({table.layer for table in specs.tables.values()})
    found = {layer: layer_contract(specs, layer, trino) for layer in layers}
    return found | {name: topic_contract(specs, name, kafka) for name in sorted(specs.topics)}

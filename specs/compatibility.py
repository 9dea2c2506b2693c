"""What may change: from one version of a topic to the next, and from earlier specs to these.

Both versions of a topic are on the wire at once, so a reader must be able to read either and put
it in the same columns.
"""

from collections.abc import Iterator
from itertools import pairwise

from specs.loader import Specs
from specs.tables import EventField, TableSpec, TopicSpec


def _field_faults(old: EventField, new: EventField) -> Iterator[str]:
    if old.type != new.type:
        yield f"{new.name} is {new.type}, and {old.name} was {old.type}"
    if old.unit != new.unit:
        yield f"{new.name} is in {new.unit}, and {old.name} was in {old.unit}"
    if old.required != new.required:
        now, was = ("required" if field.required else "optional" for field in (new, old))
        yield f"{new.name} is {now}, and {old.name} was {was}"
    if old.column_name != new.column_name:
        yield f"{new.name} fills {new.column_name}, and {old.name} filled {old.column_name}"
    if old.name != new.name and old.required:
        yield f"{old.name} is required and cannot be renamed to {new.name}"


def version_faults(old: TopicSpec, new: TopicSpec) -> list[str]:
    """Why records of ``new`` cannot be on the wire beside those of ``old``; empty if they can.

    A field may be added if it is optional, and an optional one renamed; none may go, change its
    type, unit or column, or become required.
    """
    faults = []
    if old.key != new.key:
        faults.append(f"the key is {new.key}, and was {old.key}")
    if old.table != new.table:
        faults.append(f"the rows are of {new.table}, and were of {old.table}")
    before = {field.column_name: field for field in old.fields}
    after = {field.column_name: field for field in new.fields}
    for column, field in before.items():
        if column not in after:
            faults.append(f"{field.name} is gone; a renamed field names its column: {column}")
        else:
            faults += _field_faults(field, after[column])
    for column, field in after.items():
        if column not in before and field.required:
            faults.append(f"{field.name} is new and must be optional (required: false)")
    return [f"topic {new.topic} version {new.version} cannot follow {old.version}: {fault}"
            for fault in faults]  # fmt: skip


def evolution_faults(specs: Specs) -> Iterator[str]:
    """Contradictions between the versions of each topic, and between them and bronze."""
    for name, versions in specs.topic_versions.items():
        numbers = [version.version for version in versions]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"topic {name}: versions {numbers} leave a hole or come twice"
        for old, new in pairwise(versions):
            yield from version_faults(old, new)
    bronze = specs.tables.get("bronze.traffic_event")
    if bronze is not None:
        yield from _bronze_faults(bronze, specs.topic_versions.get("traffic_event", ()))


def _bronze_faults(bronze: TableSpec, versions: tuple[TopicSpec, ...]) -> Iterator[str]:
    columns = {column.name: column for column in bronze.columns}
    for version in versions:
        for field in version.fields:
            column = columns.get(field.column_name)
            if column is None or column.type != field.type:
                yield (
                    f"topic {version.topic} version {version.version}: {field.name} needs a column"
                    f" {field.column_name} of type {field.type} in {bronze.table}"
                )
    known = [version.version for version in versions]
    for rule in bronze.rules:
        if rule.kind == "in_set" and rule.column == "schema_version" and list(rule.values) != known:
            yield f"{bronze.table}: rule {rule.id} knows versions {list(rule.values)}, not {known}"


def change_faults(before: Specs, now: Specs) -> list[str]:
    """What in ``now`` breaks the data, the producers or the readers that ``before`` has made.

    A version of a topic that is out stays as it is: a change of it is a new version. A table may
    gain columns that can be null; it loses none, and none changes its type or the key.
    """
    faults = []
    for name, versions in before.topic_versions.items():
        kept = {version.version: version for version in now.topic_versions.get(name, ())}
        for old in versions:
            new = kept.get(old.version)
            if new is None:
                faults.append(f"topic {name} version {old.version} is gone; records of it may come")
            elif _shape(new) != _shape(old):
                faults.append(
                    f"topic {name} version {old.version} was changed; write version"
                    f" {max(kept) + 1} instead"
                )
    for name, table in before.tables.items():
        faults += _table_faults(table, now.tables.get(name))
    return faults


def _shape(topic: TopicSpec) -> tuple[object, ...]:
    fields = {(f.name, f.type, f.unit, f.required, f.column_name) for f in topic.fields}
    return topic.key, topic.table, frozenset(fields)


def _table_faults(old: TableSpec, new: TableSpec | None) -> list[str]:
    if new is None:
        return [f"table {old.table} is gone"]
    faults = []
    if old.key != new.key or old.partition_by != new.partition_by:
        faults.append(f"table {old.table}: its key or its partitions have changed")
    columns = {column.name: column for column in new.columns}
    for column in old.columns:
        now = columns.pop(column.name, None)
        if now is None:
            faults.append(f"table {old.table}: column {column.name} is gone")
        elif (now.type, now.unit) != (column.type, column.unit):
            faults.append(f"table {old.table}: column {column.name} has another type or unit")
        elif column.nullable and not now.nullable:
            faults.append(f"table {old.table}: column {column.name} may be null in rows there are")
    faults += [
        f"table {old.table}: column {column.name} is new and must be nullable"
        for column in columns.values() if not column.nullable
    ]  # fmt: skip
    return faults

"""Tables and topics: names, types, units, keys and the rules their rows keep."""

from typing import Self

from pydantic import Field, model_validator

from specs.model import Identifier, SpecModel
from specs.rules import Expectation, RowRule

UNITS_IN_NAMES = {"km/h": "_kmh", "s": "_s", "m": "_m", "h": "_h", "min": "_minutes", "ratio": None}
PRIMITIVES = {"string", "long", "integer", "double", "boolean", "timestamp", "date", "binary"}


class Column(SpecModel):
    """One column: Spark's simple type name, unit, whether it may be null."""

    name: Identifier
    type: str
    unit: str | None = None
    nullable: bool = True
    stamp: bool = Field(default=False, description="says when, not what; left out of comparisons")
    description: str

    @property
    def comment(self) -> str:
        """What a catalog says of the column."""
        return f"{self.description} [{self.unit}]" if self.unit else self.description

    @model_validator(mode="after")
    def _name_carries_the_unit(self) -> Self:
        suffix = UNITS_IN_NAMES.get(self.unit or "")
        spelled_out = self.unit == "s" and "_seconds" in self.name
        if suffix and f"{suffix}_" not in f"{self.name}_" and not spelled_out:
            raise ValueError(f"column {self.name} has unit {self.unit}; its name needs {suffix}")
        return self


class TableSpec(SpecModel):
    """One Delta table.

    Attributes:
        partition_by: columns that the key decides; each value's rows lie in files of their own.
        settled_by: boolean column that says that a row is not expected to change any more. Rows
            that may still change lie in files of their own, so that a MERGE rewrites only those.
        ordered_by: columns that queries filter by; rows that have the same values there lie side
            by side in a compacted file, and a reader skips the pages of all others.
    """

    table: str = Field(pattern=r"^(bronze|silver|gold|ops)\.[a-z_]+$")
    description: str
    key: tuple[Identifier, ...] = Field(min_length=1)
    partition_by: tuple[Identifier, ...] = ()
    settled_by: Identifier | None = None
    ordered_by: tuple[Identifier, ...] = ()
    columns: tuple[Column, ...] = Field(min_length=1)
    context: tuple[Column, ...] = Field(
        default=(), description="known while a row is judged, not stored"
    )
    rules: tuple[RowRule, ...] = ()
    expectations: tuple[Expectation, ...] = ()

    @property
    def layer(self) -> str:
        """``bronze``, ``silver``, ``gold`` or ``ops``."""
        return self.table.split(".")[0]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the stored columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def folders(self) -> tuple[str, ...]:
        """Columns whose values name the folders of the data files."""
        return (*self.partition_by, *((self.settled_by,) if self.settled_by else ()))

    @model_validator(mode="after")
    def _refers_to_itself(self) -> Self:
        names = [column.name for column in (*self.columns, *self.context)]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"columns named twice: {sorted(doubled)}")
        for name in (*self.key, *self.folders, *self.ordered_by):
            if name not in self.column_names:
                raise ValueError(f"key, partition or order column {name} is not a column")
        ids = [rule.id for rule in (*self.rules, *self.expectations)]
        if len(ids) != len(set(ids)):
            raise ValueError("two rules share an id")
        for rule in (*self.rules, *self.expectations):
            unknown = set(rule.columns_used) - set(names)
            if unknown:
                raise ValueError(f"rule {rule.id} reads unknown columns {sorted(unknown)}")
        return self


ARRIVALS = ("landed_at", "failed_at", "committed_at", "scored_at", "validated_at")
"""Columns that say when a row arrived; a table has one of them, if any."""


HISTORY = "_history"


def arrival(table: TableSpec) -> str | None:
    """Column of ``table`` that says when a row arrived."""
    return next((name for name in table.column_names if name in ARRIVALS), None)


def history_of(table: TableSpec) -> TableSpec | None:
    """The table that keeps what corrections of ``table`` replaced; None where none are made."""
    stamp = arrival(table)
    if stamp is None or "revision" not in table.column_names or table.table.endswith(HISTORY):
        return None
    return table.model_copy(update={
        "table": f"{table.table}{HISTORY}",
        "description": f"Rows of {table.table} as they were until a correction replaced them.",
        "key": (*table.key, stamp),
        "expectations": (),
        "settled_by": None,
    })  # fmt: skip


class EventField(SpecModel):
    """One field of a JSON event."""

    name: Identifier
    type: str = Field(pattern=r"^(string|long|double|timestamp)$")
    unit: str | None = None
    required: bool = True
    column: Identifier | None = Field(
        default=None, description="of bronze, where the field has another name since this version"
    )
    description: str
    example: str | int | float

    @property
    def column_name(self) -> str:
        """Column of bronze that the field fills."""
        return self.column or self.name


class TopicSpec(SpecModel):
    """One version of a Kafka topic's messages: fields of its own, or a table's rows."""

    topic: Identifier
    version: int = Field(ge=1)
    description: str
    key: Identifier
    producers: tuple[Identifier, ...]
    consumers: tuple[Identifier, ...]
    max_value_bytes: int = Field(default=1_048_576, ge=1)
    fields: tuple[EventField, ...] = ()
    table: str | None = None

    @property
    def dead_letter_topic(self) -> str:
        """Topic that takes what this topic's readers could not use."""
        return f"{self.topic}_dlq"

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        if bool(self.fields) == bool(self.table):
            raise ValueError("a topic has either fields or a table")
        if self.fields and self.key not in {field.name for field in self.fields}:
            raise ValueError(f"key {self.key} is not a field")
        return self

"""The same rules as a Great Expectations suite, and the frame that the suite is run on."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from quality.rules import bounds_of, shifted
from quality.sample import BATCH_COLUMN
from specs.arrow import arrow_schema
from specs.rules import (
    Between,
    Expectation,
    InSet,
    IsTrue,
    Length,
    MeanBetween,
    NotAfter,
    NotBefore,
    NotGreater,
    NotNull,
    RowRule,
    Unique,
)
from specs.tables import TableSpec

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

RULE_ID = "rule_id"
INTEGER_DTYPES = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}


def great_expectations() -> Any:
    """The library, imported at first use because that takes seconds; it must not phone home."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read once, when the library is imported
    import great_expectations

    return great_expectations


def _shifted_name(rule: NotAfter) -> str:
    return f"_{rule.than}_plus_{rule.plus_seconds}_s" if rule.plus_seconds else rule.than


def _not_null(rule: NotNull, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    if rule.when is None:
        return [("ExpectColumnValuesToNotBeNull", {"column": rule.column})]
    from great_expectations.expectations.row_conditions import Column

    condition = Column(rule.when.column) == rule.when.equals
    return [("ExpectColumnValuesToNotBeNull", {"column": rule.column, "row_condition": condition})]


def _is_true(rule: IsTrue, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    # Great Expectations passes a null in all but its null expectations, so two are needed.
    return [
        ("ExpectColumnValuesToNotBeNull", {"column": rule.column}),
        ("ExpectColumnValuesToBeInSet", {"column": rule.column, "value_set": [True]}),
    ]


def _between(rule: Between, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    low, high = bounds_of(rule, schema.field(rule.column).type)
    bounds = {"column": rule.column, "min_value": low, "max_value": high}
    return [("ExpectColumnValuesToBeBetween", bounds)]


def _length(rule: Length, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    bounds = {"column": rule.column, "min_value": rule.min, "max_value": rule.max}
    return [
        ("ExpectColumnValuesToNotBeNull", {"column": rule.column}),
        ("ExpectColumnValueLengthsToBeBetween", bounds),
    ]


def _in_set(rule: InSet, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    values = {"column": rule.column, "value_set": list(rule.values)}
    return [("ExpectColumnValuesToBeInSet", values)]


def _at_least(greater: str, smaller: str) -> list[tuple[str, dict[str, Any]]]:
    pair = {
        "column_A": greater,
        "column_B": smaller,
        "or_equal": True,
        "ignore_row_if": "either_value_is_missing",
    }
    return [("ExpectColumnPairValuesAToBeGreaterThanB", pair)]


def _not_after(rule: NotAfter, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    return _at_least(_shifted_name(rule), rule.column)


def _not_before(rule: NotBefore, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    return _at_least(rule.column, rule.than)


def _not_greater(rule: NotGreater, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    return _at_least(rule.than, rule.column)


def _unique(rule: Unique, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    # A later batch may bring the same key again: a correction, or a replay.
    columns = {"column_list": [BATCH_COLUMN, *rule.columns], "ignore_row_if": "never"}
    return [("ExpectCompoundColumnsToBeUnique", columns)]


def _mean_between(rule: MeanBetween, schema: pa.Schema) -> list[tuple[str, dict[str, Any]]]:
    bounds = {
        "column": rule.column,
        "min_value": rule.min,
        "max_value": rule.max,
        "min_values": rule.min_rows,
    }
    return [("ExpectColumnMeanOfEnoughValuesToBeBetween", bounds)]


_EXPECTATIONS: dict[str, Callable[..., list[tuple[str, dict[str, Any]]]]] = {
    "not_null": _not_null,
    "is_true": _is_true,
    "between": _between,
    "length": _length,
    "in_set": _in_set,
    "not_after": _not_after,
    "not_before": _not_before,
    "not_greater": _not_greater,
    "unique": _unique,
    "mean_between": _mean_between,
}


def suite_of(table: TableSpec) -> "ExpectationSuite":
    """The table's rules and expectations, all at 100 %, each with its rule id in ``meta``."""
    gx = great_expectations()
    from quality.mean_expectation import (
        ExpectColumnMeanOfEnoughValuesToBeBetween as OwnMean,
    )

    schema = arrow_schema(table, with_context=True)
    built = []
    rules: list[RowRule | Expectation] = [*table.rules, *table.expectations]
    for rule in rules:
        for name, arguments in _EXPECTATIONS[rule.kind](rule, schema):
            kind = OwnMean if name == OwnMean.__name__ else getattr(gx.expectations, name)
            notes = rule.reason or None
            built.append(kind(**arguments, meta={RULE_ID: rule.id}, notes=notes))
    suite: ExpectationSuite = gx.ExpectationSuite(name=table.table, expectations=built)
    return suite


def columns_of(table: TableSpec) -> list[str]:
    """The columns that the table's rules and expectations read, in the spec's order."""
    used = {c for rule in (*table.rules, *table.expectations) for c in rule.columns_used}
    return [c.name for c in (*table.columns, *table.context) if c.name in used]


def _dtype_of(kind: pa.DataType) -> pd.api.extensions.ExtensionDtype | None:
    """Type of a column in the frame that loses nothing of the Arrow column.

    Arrow's own keeps null and NaN apart. Integers are pandas' nullable ones, because Great
    Expectations makes bounds floats and Arrow does not compare a large integer with a float. Texts
    are Python's, because of Arrow's Great Expectations measures the length without trailing NULs.
    """
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return None
    return INTEGER_DTYPES.get(kind) or pd.ArrowDtype(kind)


def frame_of(rows: pa.Table, table: TableSpec) -> pd.DataFrame:
    """What the suite is run on: ``rows`` and a column for each shifted timestamp."""
    for rule in table.rules:
        if rule.kind == "not_after" and _shifted_name(rule) not in rows.column_names:
            moved = shifted(rows.column(rule.than), rule.plus_seconds)
            rows = rows.append_column(_shifted_name(rule), moved)
    # One thread, so that the gate's CPU time is its caller's.
    frame: pd.DataFrame = rows.to_pandas(types_mapper=_dtype_of, use_threads=False)
    return frame

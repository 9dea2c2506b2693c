"""Arbitrary tables for a spec: nulls, NaN, infinities, the rules' own bounds and beside them."""

from collections.abc import Iterator
from math import inf, nan, nextafter

import pyarrow as pa
from hypothesis import strategies as st

from quality.sample import BATCH_COLUMN
from quality.suites import columns_of
from specs.arrow import arrow_schema
from specs.tables import TableSpec

EPOCH_2026 = 1_767_225_600_000_000  # microseconds
MINUTE = 60_000_000
TEXTS = (
    "",
    "ok",
    "OK",
    "missing",
    "é" * 128,
    "é" * 129,
    "👍" * 128,
    "x" * 129,
    "\x00",
    "ok\x00",
    "e\u0301",
)


def _numbers_in_rules(table: TableSpec, column: str) -> Iterator[float]:
    for rule in (*table.rules, *table.expectations):
        if getattr(rule, "column", None) != column:
            continue
        yield from (b for b in (getattr(rule, "min", None), getattr(rule, "max", None)) if b)
        yield from (v for v in getattr(rule, "values", ()) if not isinstance(v, str))


def _words_in_rules(table: TableSpec, column: str) -> Iterator[str]:
    for rule in table.rules:
        if getattr(rule, "column", None) == column:
            yield from (v for v in getattr(rule, "values", ()) if isinstance(v, str))
        when = getattr(rule, "when", None)
        if when is not None and when.column == column:
            yield when.equals


def _values(table: TableSpec, field: pa.Field) -> st.SearchStrategy[object]:
    kind = field.type
    bounds = [float(number) for number in _numbers_in_rules(table, field.name)]
    if pa.types.is_floating(kind):
        near = [nextafter(b, to) for b in bounds for to in (-inf, inf)]
        values = [0.0, -0.0, nan, inf, -inf, 1e-310, *bounds, *near]
        return st.sampled_from(values) | st.floats(-10, 300)
    if pa.types.is_integer(kind):
        bits = kind.bit_width
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        near = [int(b) + step for b in bounds for step in (-1, 0, 1)]
        edges = [low, high, min(high, 2**53 + 1), 0, 1, -1, *near]
        return st.sampled_from([n for n in edges if low <= n <= high]) | st.integers(0, 5)
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_string(kind):
        words = [*TEXTS, *_words_in_rules(table, field.name)]
        return st.sampled_from(words) | st.text(max_size=5)
    if pa.types.is_binary(kind):
        return st.sampled_from([b"", b"\xff", b"key"])
    if pa.types.is_timestamp(kind):
        steps = [0, 1, MINUTE, 5 * MINUTE, 5 * MINUTE + 1]
        return st.sampled_from([EPOCH_2026 + sign * step for step in steps for sign in (-1, 1)])
    raise AssertionError(f"no strategy for {kind}")


def tables_of(table: TableSpec, rows: int) -> st.SearchStrategy[pa.Table]:
    """Tables of what ``table``'s rules read, as rows of up to three batches."""
    schema = arrow_schema(table, with_context=True)
    fields = [schema.field(name) for name in columns_of(table)]
    columns = {
        field.name: st.lists(st.none() | _values(table, field), min_size=rows, max_size=rows).map(
            lambda values, kind=field.type: pa.array(values, kind)
        )
        for field in fields
    }
    batches = st.lists(st.integers(0, 2), min_size=rows, max_size=rows)
    columns[BATCH_COLUMN] = batches.map(lambda numbers: pa.array(sorted(numbers), pa.int64()))
    return st.fixed_dictionaries(columns).map(pa.table)

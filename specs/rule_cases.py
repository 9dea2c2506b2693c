"""Boundary rows of every rule: the last value that passes, the first that does not, null and NaN.

Written down with the specs, so that a change of a bound shows in review and whoever judges rows
is held to the same cases.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil, floor, inf, nextafter
from typing import Any

from specs.arrow import PRIMITIVE_TYPES
from specs.rules import (
    Between,
    Expectation,
    InSet,
    IsTrue,
    Length,
    NotAfter,
    NotBefore,
    NotGreater,
    NotNull,
    RowRule,
)
from specs.tables import TableSpec

MOMENT = datetime(2018, 3, 11, 6, 59, 59, 999_999, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NAN = "NaN"
"""How JSON writes a double that is no number here; it has no word for it."""

Values = dict[str, Any]
Case = dict[str, Any]
Pairs = Iterator[tuple[Values, bool]]


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _something(kind: str) -> Any:
    """Any value of a type."""
    return {
        "string": "a", "binary": "a", "boolean": True, "timestamp": _instant(MOMENT), "date":
        "2018-03-11", "long": 1, "integer": 1, "double": 1.0,
    }[kind]  # fmt: skip


def _not_null(rule: NotNull, kinds: dict[str, str]) -> Pairs:
    value = _something(kinds[rule.column])
    if rule.when is None:
        yield {rule.column: value}, True
        yield {rule.column: None}, False
        return
    when = rule.when.column
    yield {rule.column: value, when: rule.when.equals}, True
    yield {rule.column: None, when: rule.when.equals}, False
    yield {rule.column: None, when: f"not {rule.when.equals}"}, True
    yield {rule.column: None, when: None}, True


def _is_true(rule: IsTrue, kinds: dict[str, str]) -> Pairs:
    for value, passes in ((True, True), (False, False), (None, False)):
        yield {rule.column: value}, passes


def _limits(kind: str) -> tuple[int, int]:
    bits = PRIMITIVE_TYPES[kind].bit_width
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _between(rule: Between, kinds: dict[str, str]) -> Pairs:
    if kinds[rule.column] == "double":
        steps = [] if rule.min is None else [(rule.min, True), (nextafter(rule.min, -inf), False)]
        steps += [] if rule.max is None else [(rule.max, True), (nextafter(rule.max, inf), False)]
        steps.append((NAN, False))  # type: ignore[arg-type]
    else:
        low, high = _limits(kinds[rule.column])
        steps = [] if rule.min is None else [(ceil(rule.min), True), (ceil(rule.min) - 1, False)]
        if rule.max is not None:
            steps += [(floor(rule.max), True), (floor(rule.max) + 1, False)]
        steps = [step for step in steps if low <= step[0] <= high]
    for value, passes in [*steps, (None, True)]:
        yield {rule.column: value}, passes


def _length(rule: Length, kinds: dict[str, str]) -> Pairs:
    # Two bytes a character in UTF-8: characters count, not bytes.
    for count in sorted({rule.min - 1, rule.min, rule.max, rule.max + 1} - {-1}):
        yield {rule.column: "é" * count}, rule.min <= count <= rule.max
    yield {rule.column: None}, False


def _in_set(rule: InSet, kinds: dict[str, str]) -> Pairs:
    for value in rule.values:
        yield {rule.column: value}, True
    other = rule.values[0]
    yield {rule.column: f"{other} "} if isinstance(other, str) else {
        rule.column: max(map(int, rule.values)) + 1}, False  # fmt: skip
    yield {rule.column: None}, True


def _around(column: str, than: str, last: timedelta, step: timedelta) -> Pairs:
    """At the last distance that passes, and one step on."""
    for distance, passes in ((last, True), (last + step, False)):
        yield {column: _instant(MOMENT + distance), than: _instant(MOMENT)}, passes
    yield {column: _instant(MOMENT), than: None}, True
    yield {column: None, than: _instant(MOMENT)}, True


def _not_after(rule: NotAfter, kinds: dict[str, str]) -> Pairs:
    yield from _around(rule.column, rule.than, timedelta(seconds=rule.plus_seconds), MICROSECOND)


def _not_before(rule: NotBefore, kinds: dict[str, str]) -> Pairs:
    yield from _around(rule.column, rule.than, timedelta(0), -MICROSECOND)


def _not_greater(rule: NotGreater, kinds: dict[str, str]) -> Pairs:
    more = nextafter(1.0, inf) if kinds[rule.column] == "double" else 2
    one = 1.0 if kinds[rule.column] == "double" else 1
    yield {rule.column: one, rule.than: one}, True
    yield {rule.column: more, rule.than: one}, False
    yield {rule.column: one, rule.than: more}, True
    yield {rule.column: one, rule.than: None}, True
    yield {rule.column: None, rule.than: one}, True


_BOUNDARIES: dict[str, Callable[..., Pairs]] = {
    "not_null": _not_null,
    "is_true": _is_true,
    "between": _between,
    "length": _length,
    "in_set": _in_set,
    "not_after": _not_after,
    "not_before": _not_before,
    "not_greater": _not_greater,
}


def row_cases(table: TableSpec) -> list[Case]:
    """For each row rule the rows around its boundary: the columns it reads, and whether one passes.

    Times are ISO 8601, a double may be `NAN`, binary is text to be encoded.
    """
    kinds = {column.name: column.type for column in (*table.columns, *table.context)}

    def of(rule: RowRule) -> Iterator[Case]:
        for row, passes in _BOUNDARIES[rule.kind](rule, kinds):
            yield {"rule": rule.id, "row": row, "passes": passes}

    return [case for rule in table.rules for case in of(rule)]


def _batches(rule: Expectation, table: TableSpec) -> Iterator[Case]:
    kinds = {column.name: column.type for column in table.columns}
    if rule.kind == "mean_between":
        for value, passes in ((rule.min, True), (rule.min - 1, False), (rule.max, True),
                              (rule.max + 1, False)):  # fmt: skip
            row = {rule.column: value}
            yield {"rule": rule.id, "rows": [{"times": rule.min_rows} | row], "passes": passes}
            if rule.min_rows > 1:
                fewer = [{"times": rule.min_rows - 1} | row]
                yield {"rule": rule.id, "rows": fewer, "passes": True}
        return
    row = {name: _something(kinds[name]) for name in rule.columns}
    yield {"rule": rule.id, "rows": [{"times": 2} | row], "passes": False}
    for name in rule.columns:
        apart = {name: _other(kinds[name])}
        rows = [{"times": 1} | row, {"times": 1} | row | apart]
        yield {"rule": rule.id, "rows": rows, "passes": True}


def _other(kind: str) -> Any:
    if kind == "timestamp":
        return _instant(MOMENT + MICROSECOND)
    return {"string": "b", "long": 2, "integer": 2, "date": "2018-03-12"}[kind]


def batch_cases(table: TableSpec) -> list[Case]:
    """For each expectation batches on both sides of it: rows, so many times, and the verdict."""
    return [case for rule in table.expectations for case in _batches(rule, table)]

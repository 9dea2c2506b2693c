"""The compiled form of row rules: one vectorised pass that gives every row its verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quality.reasons import reason_of
from specs.errors import SpecError
from specs.rules import (
    Between,
    InSet,
    IsTrue,
    Length,
    NotAfter,
    NotBefore,
    NotGreater,
    NotNull,
    RowRule,
)

REASON_MAX_CHARACTERS = 2000
TICKS_A_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
INT64 = np.iinfo(np.int64)

Bound = int | float | None


@dataclass(frozen=True)
class Rejection:
    """Why one row is not accepted: its index, the rules it broke, and why in words for a person."""

    index: int
    rule_ids: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """All reasons in one text, cut off at `REASON_MAX_CHARACTERS`."""
        return "; ".join(self.reasons)[:REASON_MAX_CHARACTERS]


def bounds_of(rule: Between, column_type: pa.DataType) -> tuple[Bound, Bound]:
    """Bounds of the rule in the column's own type.

    Arrow compares an integer with a float as floats, and stops at an integer past 2**53; an
    integer column therefore gets integer bounds.
    """
    if not pa.types.is_integer(column_type):
        return rule.min, rule.max
    limits = np.iinfo(column_type.to_pandas_dtype())
    low = None if rule.min is None else max(ceil(rule.min), int(limits.min))
    high = None if rule.max is None else min(floor(rule.max), int(limits.max))
    return low, high


def shifted(times: pa.ChunkedArray, seconds: int) -> pa.ChunkedArray:
    """Timestamps moved by ``seconds``, stopping at the ends of the type instead of wrapping."""
    if seconds == 0:
        return times
    ticks = seconds * TICKS_A_SECOND[times.type.unit]
    whole = times.cast(pa.int64())
    if ticks > 0:
        room = pc.min_element_wise(whole, int(INT64.max) - ticks, skip_nulls=False)
    else:
        room = pc.max_element_wise(whole, int(INT64.min) - ticks, skip_nulls=False)
    return pc.add(room, ticks).cast(times.type)


def _pair(rows: pa.Table, rule: NotAfter | NotBefore | NotGreater) -> list[pa.ChunkedArray]:
    pair = [rows.column(rule.column), rows.column(rule.than)]
    if pair[0].type != pair[1].type:
        raise SpecError(
            f"rule {rule.id}: {rule.column} is {pair[0].type} and {rule.than} is {pair[1].type};"
            " a rule compares columns of one type"
        )
    return pair


def _not_null(rows: pa.Table, rule: NotNull) -> pa.ChunkedArray:
    present = pc.is_valid(rows.column(rule.column))
    if rule.when is None or rows.column(rule.column).null_count == 0:
        return present
    # A null `when` column selects nothing: the comparison is null, and null means pass.
    return pc.or_kleene(present, pc.not_equal(rows.column(rule.when.column), rule.when.equals))


def _is_true(rows: pa.Table, rule: IsTrue) -> pa.ChunkedArray:
    return pc.fill_null(rows.column(rule.column), False)


def _between(rows: pa.Table, rule: Between) -> pa.ChunkedArray:
    column = rows.column(rule.column)
    low, high = bounds_of(rule, column.type)
    if low is None:
        return pc.less_equal(column, high)
    if high is None:
        return pc.greater_equal(column, low)
    return pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high))


def _length(rows: pa.Table, rule: Length) -> pa.ChunkedArray:
    lengths = pc.utf8_length(rows.column(rule.column))
    within = pc.and_(pc.greater_equal(lengths, rule.min), pc.less_equal(lengths, rule.max))
    return pc.fill_null(within, False)


def _in_set(rows: pa.Table, rule: InSet) -> pa.ChunkedArray:
    column = rows.column(rule.column)
    return pc.is_in(column, value_set=pa.array([*rule.values, None], column.type))


def _not_after(rows: pa.Table, rule: NotAfter) -> pa.ChunkedArray:
    column, than = _pair(rows, rule)
    return pc.less_equal(column, shifted(than, rule.plus_seconds))


def _not_before(rows: pa.Table, rule: NotBefore) -> pa.ChunkedArray:
    column, than = _pair(rows, rule)
    return pc.greater_equal(column, than)


def _not_greater(rows: pa.Table, rule: NotGreater) -> pa.ChunkedArray:
    column, than = _pair(rows, rule)
    return pc.less_equal(column, than)


# A mask tells "this row passes"; a null in it passes too.
_MASKS: dict[str, Callable[..., pa.ChunkedArray]] = {
    "not_null": _not_null,
    "is_true": _is_true,
    "between": _between,
    "length": _length,
    "in_set": _in_set,
    "not_after": _not_after,
    "not_before": _not_before,
    "not_greater": _not_greater,
}


@dataclass(frozen=True)
class Verdicts:
    """What the rules say about each of ``rows``.

    ``broken`` holds only the rules that some row fails, each with its mask of rows that pass;
    rows that keep all rules cost nothing beyond the masks.
    """

    rows: pa.Table
    broken: tuple[tuple[RowRule, pa.ChunkedArray], ...]

    @cached_property
    def accepted(self) -> pa.ChunkedArray:
        """For each row whether it keeps every rule; never null."""
        if not self.broken:
            return pa.chunked_array([np.ones(self.rows.num_rows, dtype=bool)])
        mask = self.broken[0][1]
        for _, other in self.broken[1:]:
            mask = pc.and_(mask, other)
        return mask

    @cached_property
    def rejected_indices(self) -> pa.Array:
        """Positions of the rows that break a rule, rising."""
        if not self.broken:
            return pa.array([], pa.uint64())
        return pc.indices_nonzero(pc.invert(self.accepted))

    def accepted_rows(self) -> pa.Table:
        """Rows that keep every rule, in order; ``rows`` itself if all do."""
        return self.rows.filter(self.accepted) if self.broken else self.rows

    def rejections(self) -> list[Rejection]:
        """For each rejected row, in order, the rules it broke and why."""
        indices = self.rejected_indices
        rule_ids: list[list[str]] = [[] for _ in range(len(indices))]
        reasons: list[list[str]] = [[] for _ in range(len(indices))]
        for rule, mask in self.broken:
            failed = pc.indices_nonzero(pc.invert(mask.take(indices)))
            words = reason_of(rule, self.rows, indices.take(failed))
            for position, text in zip(failed.to_pylist(), words, strict=True):
                rule_ids[position].append(rule.id)
                reasons[position].append(text)
        return [
            Rejection(index, tuple(ids), tuple(texts))
            for index, ids, texts in zip(indices.to_pylist(), rule_ids, reasons, strict=True)
        ]


def verdicts(rows: pa.Table, rules: Sequence[RowRule]) -> Verdicts:
    """Judge every row by every rule.

    Args:
        rows: the columns that the rules read, in their spec's types.
        rules: row rules of one table spec.

    Raises:
        SpecError: a rule compares two columns of different types.
    """
    broken = []
    for rule in rules:
        mask = _MASKS[rule.kind](rows, rule)
        if not pc.all(mask, min_count=0).as_py():
            broken.append((rule, pc.fill_null(mask, True)))
    return Verdicts(rows, tuple(broken))

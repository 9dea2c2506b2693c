"""The compiled form of batch expectations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quality.keys import Hashes, duplicates, key_hashes
from specs.rules import Expectation, MeanBetween, Unique


@dataclass(frozen=True)
class Broken:
    """An expectation that a batch does not meet, and the rows at fault where some are."""

    id: str
    reason: str
    indices: npt.NDArray[np.intp]


def _unique(rows: pa.Table, rule: Unique, hashes: Hashes | None) -> Broken | None:
    if hashes is None:
        hashes = key_hashes(rows, rule.columns)
    indices = duplicates(rows, rule.columns, hashes)
    if not len(indices):
        return None
    first = {name: rows.column(name)[int(indices[0])] for name in rule.columns}
    key = ", ".join(f"{name} {value}" for name, value in first.items())
    return Broken(rule.id, f"{len(indices)} rows share their key, first {key}"[:500], indices)


def _mean_between(rows: pa.Table, rule: MeanBetween) -> Broken | None:
    column = rows.column(rule.column)
    values = len(column) - column.null_count
    if values < rule.min_rows:
        return None
    mean = pc.mean(column).as_py()
    if rule.min <= mean <= rule.max:
        return None
    reason = (
        f"mean {rule.column} of {values} values is {mean:g}, outside {rule.min:g} to {rule.max:g}"
    )
    return Broken(rule.id, reason, np.array([], dtype=np.intp))


def broken_expectations(
    rows: pa.Table, expectations: Sequence[Expectation], hashes: Hashes | None = None
) -> list[Broken]:
    """Tell which expectations the batch does not meet.

    Args:
        rows: the columns that the expectations read.
        expectations: of one table spec.
        hashes: of the columns of the only ``unique`` expectation, where the caller has them.
    """
    found = [
        _unique(rows, rule, hashes) if rule.kind == "unique" else _mean_between(rows, rule)
        for rule in expectations
    ]
    return [broken for broken in found if broken is not None]

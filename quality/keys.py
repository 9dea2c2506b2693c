"""Hashes of rows' keys: equal keys hash alike, so a duplicate is found by sorting integers."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]


def mixed(values: Hashes) -> Hashes:
    """Spread integers evenly over 64 bits.

    Source: Steele, Lea and Flood 2014, 'Fast splittable pseudorandom number generators', the
    finaliser of SplitMix64.
    """
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _integers(column: pa.ChunkedArray) -> Hashes:
    """Integers that are equal where the values are; within this batch only."""
    kind = column.type
    if pa.types.is_temporal(kind):
        column = column.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())
    elif not pa.types.is_integer(kind):
        whole = column.combine_chunks()
        column = pc.dictionary_encode(whole, null_encoding="encode").indices
    if column.null_count:
        column = pc.fill_null(column, 0)  # a null then hashes like 0; duplicates() tells them apart
    integers: npt.NDArray[np.int64] = column.to_numpy().astype(np.int64)
    return integers.view(np.uint64)


def key_hashes(rows: pa.Table, columns: Sequence[str]) -> Hashes:
    """One hash a row of the values in ``columns``; comparable within ``rows`` only."""
    total = np.zeros(rows.num_rows, dtype=np.uint64)
    for name in columns:
        total += np.uint64(0x9E3779B97F4A7C15)
        total ^= _integers(rows.column(name))
        total = mixed(total)
    return total


def duplicates(rows: pa.Table, columns: Sequence[str], hashes: Hashes) -> npt.NDArray[np.intp]:
    """Positions of all rows that share their key with another row; a null equals a null.

    Args:
        rows: the batch.
        columns: of the key.
        hashes: ``key_hashes(rows, columns)``.
    """
    in_order = np.sort(hashes)
    doubled = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(doubled):
        return np.array([], dtype=np.intp)
    suspects = np.flatnonzero(np.isin(hashes, doubled))
    keys = rows.select(columns).take(pa.array(suspects))
    values = [
        (c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c).to_pylist()
        for c in keys.columns
    ]
    tuples = list(zip(*values, strict=True))
    counts = Counter(tuples)
    return suspects[[counts[key] > 1 for key in tuples]]

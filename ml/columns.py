"""Columns of Arrow tables as numpy arrays, whole or piece by piece."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]


def column(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    """A column as one array of that type, whatever flavour of strings or times it came in."""
    values = table[name]
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values.cast(kind).combine_chunks()


def numbers(table: pa.Table, name: str) -> Floats:
    """A numeric column [rows] as floats, NaN where it is null."""
    values: Floats = column(table, name, pa.float64()).to_numpy(zero_copy_only=False)
    return values


def pieces(count: int, size: int) -> Iterator[slice]:
    """All of ``count`` rows, at most ``size`` at once, so that what is made of them fits memory."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))

"""Tables that the driver keeps cut by time, so that a batch touches few of their rows.

A batch brings some segments of a few panes or windows; the rest of a large city stays as it is.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

SEGMENT = "segment_id"
Parts = dict[tuple[Any, ...], pa.Table]
"""Rows by the values of some columns; no part is empty."""


def parts(rows: pa.Table, by: Sequence[str]) -> Parts:
    """Cut ``rows`` by the values of the columns ``by``, of which there are few."""
    found = rows.group_by(list(by)).aggregate([]).to_pylist()
    kinds = [tuple(kind[name] for name in by) for kind in found]
    return {kind: of_kind(rows, by, kind) for kind in kinds}


def of_kind(rows: pa.Table, by: Sequence[str], kind: tuple[Any, ...]) -> pa.Table:
    """The part of ``rows`` that has the values ``kind`` in the columns ``by``; maybe empty."""
    columns = [rows[name] for name in by]
    same = (pc.equal(c, pa.scalar(value, c.type)) for c, value in zip(columns, kind, strict=True))
    return rows.filter(reduce(pc.and_, same))


def of_segments(rows: pa.Table, segments: pa.Array) -> pa.Table:
    """Rows of these segments."""
    return rows.filter(pc.is_in(rows[SEGMENT], segments))


def of_others(rows: pa.Table, segments: pa.Array) -> pa.Table:
    """Rows of all segments but these."""
    return rows.filter(pc.invert(pc.is_in(rows[SEGMENT], segments)))


def joined(rest: pa.Table, made: pa.Table) -> pa.Table:
    """A part made of two, in one piece: pieces of batches would grow to thousands."""
    return pa.concat_tables([rest, made]).combine_chunks()

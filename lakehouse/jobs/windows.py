"""The sums of the windows that a micro-batch changed, from panes that the driver keeps."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.jobs.batch_note import EPOCH
from lakehouse.jobs.checkpoint import Position, position, span
from lakehouse.jobs.parts import SEGMENT, Parts, joined, of_others, of_segments, parts
from lakehouse.location import Place
from lakehouse.transforms.window_aggregate import add_panes, window_aggregate
from specs.transforms import TransformSpec

PANE = "pane_end"
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)


class ReadPanes(Protocol):
    """Sums up the panes of bronze from ``start`` on, as far as ``reached``."""

    def __call__(self, *, start: datetime, reached: Position) -> pa.Table:
        """What `pane_aggregate` gives."""


class Windows:
    """Keeps the sums of each pane that an open window may hold, and adds each batch's to them."""

    def __init__(self, spec: TransformSpec, checkpoint: Place, read_panes: ReadPanes) -> None:
        """Start without a pane, as before the first batch."""
        self._spec, self._checkpoint, self._read_panes = spec, checkpoint, read_panes
        self._none: pa.Table | None = None
        self._parts: Parts = {}
        self._all_past: datetime | None = None

    def read_anew(self, left: int | None, through: int, *, tell: bool) -> None:
        """Sum up bronze as the stream has read it; the late readings in it count now.

        Args:
            left: panes are read that windows may hold which this batch left open; None for all.
            through: the last batch whose readings count.
            tell: with the next batch, `changed` gives all of these windows.
        """
        watermark = EPOCH if left is None else span(self._checkpoint, left).watermark
        self._all_past = watermark if tell else None
        start = self._first_pane_end(watermark) - timedelta(seconds=self._spec.pane_seconds)
        panes = self._read_panes(start=start, reached=position(self._checkpoint, through))
        self._none, self._parts = panes.schema.empty_table(), parts(panes, (PANE,))

    def changed(self, panes: pa.Table | None, watermark: datetime) -> pa.Table:
        """Sums of the windows that hold one of ``panes``, or of all open ones, see `read_anew`.

        Args:
            panes: `pane_aggregate` of a batch's readings; None for a batch that is read already.
            watermark: windows that end at or before it will not be asked for any more.
        """
        first = self._first_pane_end(watermark)
        if panes is None or self._all_past is not None:
            return self._all(panes, first)
        return self._touched(panes, first)

    def _touched(self, panes: pa.Table, first: datetime) -> pa.Table:
        """The windows that hold one of ``panes``; panes that end at or before ``first`` go."""
        segments, ends = pc.unique(panes[SEGMENT]), pc.unique(panes[PANE])
        theirs = [of_segments(rows, segments) for rows in self._parts.values()]
        held = self._with(panes, theirs)
        self._parts = {end: rows for end, rows in self._parts.items() if end[0] > first}
        changed = held.filter(pc.and_(pc.is_in(held[PANE], ends), _past(held[PANE], first)))
        for end, rows in parts(changed, (PANE,)).items():
            before = self._parts.get(end)
            self._parts[end] = rows if before is None else joined(of_others(before, segments), rows)
        return window_aggregate(held, self._spec, panes)

    def _all(self, panes: pa.Table | None, first: datetime) -> pa.Table:
        """All windows past `_all_past`; panes that end at or before ``first`` go."""
        held = self._with(panes, self._parts.values())
        self._parts = parts(held.filter(_past(held[PANE], first)), (PANE,))
        told = window_aggregate(held, self._spec)
        if self._all_past is not None:
            told = told.filter(_past(told["window_end"], self._all_past))
            self._all_past = None
        return told

    def _with(self, panes: pa.Table | None, held: Iterable[pa.Table]) -> pa.Table:
        """The panes that are ``held``, with a batch's added to them."""
        if self._none is None and panes is not None:
            self._none = panes.schema.empty_table()
        before = pa.concat_tables([self._none, *held])
        return before if panes is None else add_panes(before, panes, self._spec)

    def _first_pane_end(self, watermark: datetime) -> datetime:
        """Panes that end past this may belong to a window that ends past ``watermark``."""
        return watermark - timedelta(seconds=self._spec.longest_seconds)


def _past(column: pa.ChunkedArray, moment: datetime) -> pa.ChunkedArray:
    return pc.greater(column, pa.scalar(moment, column.type))

"""The sums of the windows that a micro-batch changed, from panes that the driver keeps."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.jobs.checkpoint import Position, position, span
from lakehouse.location import Place
from lakehouse.transforms.window_aggregate import add_panes, window_aggregate
from specs.transforms import TransformSpec

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
        self._panes: pa.Table | None = None
        self._all_past: datetime | None = None

    def read_anew(self, left: int, through: int, *, tell: bool) -> None:
        """Sum up bronze as the stream has read it; the late readings in it count now.

        Args:
            left: panes are read that windows may hold which this batch left open.
            through: the last batch whose readings count.
            tell: with the next batch, `changed` gives all of these windows.
        """
        watermark = span(self._checkpoint, left).watermark
        self._all_past = watermark if tell else None
        start = self._first_pane_end(watermark) - timedelta(seconds=self._spec.pane_seconds)
        reached = position(self._checkpoint, through)
        self._panes = self._read_panes(start=start, reached=reached)

    def changed(self, panes: pa.Table | None, watermark: datetime) -> pa.Table:
        """Sums of the windows that hold one of ``panes``, or of all open ones, see `read_anew`.

        Args:
            panes: `pane_aggregate` of a batch's readings; None for a batch that is read already.
            watermark: windows that end at or before it will not be asked for any more.
        """
        held = self._with(panes)
        if self._all_past is None:
            told = window_aggregate(held, self._spec, panes)
        else:
            told = window_aggregate(held, self._spec)
            told = told.filter(_past(told["window_end"], self._all_past))
            self._all_past = None
        self._panes = held.filter(_past(held["pane_end"], self._first_pane_end(watermark)))
        return told

    def _with(self, panes: pa.Table | None) -> pa.Table:
        if self._panes is None or panes is None:
            return panes if self._panes is None else self._panes
        return add_panes(self._panes, panes, self._spec)

    def _first_pane_end(self, watermark: datetime) -> datetime:
        """Panes that end past this may belong to a window that ends past ``watermark``."""
        return watermark - timedelta(seconds=self._spec.longest_seconds)


def _past(column: pa.ChunkedArray, moment: datetime) -> pa.ChunkedArray:
    return pc.greater(column, pa.scalar(moment, column.type))

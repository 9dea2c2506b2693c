"""Speeds as a dense matrix of segments x windows: what every feature, label and forecast reads."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.columns import Booleans, Floats, Integers, column, numbers
from ml.roads import Roads
from specs.ml import Label

MICROSECONDS = 1_000_000


@dataclass(frozen=True, eq=False)
class Rows:
    """Cells of a grid to forecast from: ``segment`` [n] and ``window`` [n].

    ``segment`` is a position in ``Roads.segment_ids``; ``window`` is a window number, seconds
    since the Unix epoch over the window's length, and so means the same in every grid.
    """

    segment: Integers
    window: Integers

    def __len__(self) -> int:
        return len(self.segment)

    def __getitem__(self, which: Any) -> "Rows":
        return Rows(self.segment[which], self.window[which])


@dataclass(frozen=True, eq=False)
class SpeedGrid:
    """Mean speed of each segment (rows) in each window that has a silver row (columns).

    Windows without any row have no column, so cities years apart share a grid at no cost.

    ``windows`` [columns] are window numbers, rising. ``cells`` [segments, columns + 1] are km/h,
    NaN where nothing was observed; the last column is all NaN and stands for every window without
    a column. ``complete_from`` is the oldest window number from which no row was left out, None
    where none was at all.
    """

    roads: Roads
    label: Label
    window_seconds: int
    windows: Integers
    cells: Floats
    complete_from: int | None = None

    @classmethod
    def empty(cls, roads: Roads, label: Label, window_seconds: int) -> Self:
        """A grid without a window."""
        nothing = np.full((len(roads.segment_ids), 1), np.nan)
        return cls(roads, label, window_seconds, np.empty(0, dtype=np.int64), nothing)

    @classmethod
    def from_tables(
        cls, silver: pa.Table, segments: pa.Table, label: Label, window_seconds: int
    ) -> Self:
        """Grid of the rows of ``silver.segment_metric`` whose ``window_seconds`` is that one.

        Args:
            silver: ``segment_id``, ``window_seconds``, ``window_start`` (UTC),
                ``observation_count`` and the label's speed in km/h; rows in any order, the last
                of a segment and window counts.
            segments: rows of ``silver.road_segment``, see `Roads.from_table`.
            label: names the speed and its reference.
            window_seconds: length of the primary window.

        Raises:
            WrongInput: a row's segment is not in ``segments``.
        """
        return cls.empty(Roads.from_table(segments, label), label, window_seconds).with_rows(silver)

    @property
    def speed_kmh(self) -> Floats:
        """Mean speeds [segments, windows] in km/h, NaN where nothing was observed."""
        return self.cells[:, :-1]

    @property
    def observed(self) -> Booleans:
        """Where a speed was truly observed [segments, windows]."""
        return ~np.isnan(self.speed_kmh)

    def primary(self, silver: pa.Table) -> pa.Table:
        """The rows of ``silver`` that stand at this grid's window length."""
        return silver.filter(pc.equal(silver["window_seconds"], self.window_seconds))

    def rows(self, silver: pa.Table) -> Rows:
        """Cells of the rows of ``silver``, all of the grid's window length, in their order.

        Raises:
            WrongInput: a row's segment is not in the grid.
        """
        started = column(silver, "window_start", pa.timestamp("us", tz="UTC"))
        window = started.cast(pa.int64()).to_numpy() // (self.window_seconds * MICROSECONDS)
        return Rows(self.roads.positions(silver), window)

    def with_rows(self, silver: pa.Table) -> Self:
        """This grid with the rows of ``silver`` added or, where it has them, replaced."""
        silver = self.primary(silver)
        rows = self.rows(silver)
        windows = np.union1d(self.windows, rows.window)
        cells = np.full((len(self.cells), len(windows) + 1), np.nan)
        cells[:, np.searchsorted(windows, self.windows)] = self.speed_kmh
        seen = numbers(silver, "observation_count") > 0
        speed = np.where(seen, numbers(silver, self.label.column), np.nan)
        cells[rows.segment, np.searchsorted(windows, rows.window)] = speed
        return replace(self, windows=windows, cells=cells)

    def since(self, window: int) -> Self:
        """This grid without the windows before ``window``."""
        first = int(np.searchsorted(self.windows, window))
        oldest = window if self.complete_from is None else max(window, self.complete_from)
        windows, cells = self.windows[first:], self.cells[:, first:]
        return replace(self, windows=windows, cells=cells, complete_from=oldest)

    def columns(self, windows: Integers) -> Integers:
        """Column of ``cells`` of each window number; the last one where the grid has no such."""
        at = np.searchsorted(self.windows, windows)
        if not len(self.windows):
            return at
        there = self.windows[np.minimum(at, len(self.windows) - 1)] == windows
        return np.where(there, at, len(self.windows))

    def speeds_at(self, rows: Rows) -> Floats:
        """Observed speed of each row's cell [n] in km/h; NaN where nothing was observed."""
        return self.cells[rows.segment, self.columns(rows.window)]

    def windows_in(self, minutes: int) -> int:
        """How many windows a time is."""
        return minutes * 60 // self.window_seconds


class RollingGrid:
    """The newest windows of a stream, with the values that the grid of the whole table has.

    Rows may arrive in any order, for several windows at once, and again with other values.
    """

    def __init__(self, grid: SpeedGrid, *, history_windows: int, scorable_windows: int) -> None:
        """Start from the rows that are known.

        Args:
            grid: rows so far; for a new stream none, after a restart those of the newest
                ``scorable_windows`` and the history before them, as `SpeedGrid.since` gives.
            history_windows: how many windows before its own a feature may look at.
            scorable_windows: how many of the newest windows can be forecast from after a batch;
                more than the watermark holds open.
        """
        self.grid = grid
        self._history_windows = history_windows
        self._scorable_windows = scorable_windows
        self._needed_from: int | None = None

    def update(self, silver: pa.Table, opened: pa.Table | None = None) -> SpeedGrid:
        """Take the changed rows of a batch and return the grid to forecast them from.

        A batch of any span can be forecast from, and so can the one after it: windows that a
        batch of hours brings, while a stream catches up, are final only in the next, and so are
        those that it left open. Dropped is what is older than these, than the last batch, and than
        the scorable windows before it.

        Args:
            silver: changed rows.
            opened: rows of the windows that are not final, which a later batch may bring again.

        Raises:
            WrongInput: a row's segment is not in the grid; build a new one after a change of
                the road segments.
        """
        kept = self.grid if self._needed_from is None else self.grid.since(self._needed_from)
        if len(kept.windows) > self._scorable_windows:
            oldest = int(kept.windows[-self._scorable_windows])
            for rows in (silver, opened):
                if rows is None:
                    continue
                started = kept.rows(kept.primary(rows)).window
                if len(started):
                    oldest = min(oldest, int(started.min()))
            self._needed_from = oldest - self._history_windows
        self.grid = kept.with_rows(silver)
        return self.grid

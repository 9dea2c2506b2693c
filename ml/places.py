"""Speeds around a row: the segment's own windows, its neighbours and its network."""

from functools import cached_property

import numpy as np

from ml.columns import Floats, Integers
from ml.grid import Rows, SpeedGrid
from specs.ml import Place

MICRO = 1e6


class Places:
    """Speeds over free flow around rows of a grid, as far back as the history goes.

    Known means the newest observed at that time or before it, inside the history: while a window
    is open, the segments that have not reported yet count with their last one.

    Attributes:
        rows: [n] what is looked around.
        windows: their windows, each once, rising.
        at: [n] position of each row's window among these.
    """

    def __init__(self, grid: SpeedGrid, rows: Rows, history_windows: int) -> None:
        """Look around ``rows`` of ``grid``."""
        self._grid, self.rows, self._history = grid, rows, history_windows
        self.windows, self.at = np.unique(rows.window, return_inverse=True)
        self._known: dict[int, Floats] = {}
        self._of: dict[tuple[Place, int], Floats] = {}

    @cached_property
    def observed(self) -> Floats:
        """Ratio [lags, n] of the rows' own windows, the ones before them and so on."""
        free_flow = self._grid.roads.free_flow_speed_kmh[self.rows.segment]
        ratios = np.empty((self._history + 1, len(self.rows)))
        for lag in range(self._history + 1):
            columns = self._grid.columns(self.windows - lag)[self.at]
            ratios[lag] = self._grid.cells[self.rows.segment, columns] / free_flow
        return ratios

    @property
    def newest(self) -> Floats:
        """Newest known ratio [n] of the rows' segments."""
        newest = np.full(len(self.rows), np.nan)
        for ratio in self.observed:
            np.copyto(newest, ratio, where=np.isnan(newest))
        return newest

    def known_of(self, place: Place, lag: int) -> Floats:
        """Mean ratio [n] known ``lag`` windows ago of the places; NaN where none is known."""
        if (place, lag) not in self._of:
            if place == "network":
                self._of[place, lag] = self._network(lag)
            else:
                self._of[place, lag] = self._neighbours(place, lag)
        return self._of[place, lag]

    def all_known(self, lag: int) -> Floats:
        """Known ratio [segments, windows of the rows] of every segment."""
        if lag not in self._known:
            grid = self._grid
            known = grid.cells[:, grid.columns(self.windows - lag)]
            for older in range(lag + 1, self._history + 1):
                unknown = np.isnan(known)
                if not unknown.any():
                    break
                np.copyto(known, grid.cells[:, grid.columns(self.windows - older)], where=unknown)
            self._known[lag] = known / grid.roads.free_flow_speed_kmh[:, np.newaxis]
        return self._known[lag]

    def _network(self, lag: int) -> Floats:
        """Mean over the source's segments, in whole millionths, whose sum has no order."""
        known, roads = self.all_known(lag), self._grid.roads
        source = roads.source[self.rows.segment]
        means = np.full((len(roads.sources), len(self.windows)), np.nan)
        for code in np.unique(source):
            ratio = known[roads.source == code]
            seen = ~np.isnan(ratio)
            total = np.rint(np.where(seen, ratio, 0.0) * MICRO).astype(np.int64).sum(axis=0)
            count = seen.sum(axis=0)
            np.divide(total, count * MICRO, out=means[code], where=count > 0)
        return means[source, self.at]

    def _neighbours(self, place: Place, lag: int) -> Floats:
        roads = self._grid.roads
        beside: Integers = roads.upstream if place == "upstream" else roads.downstream
        places = beside[self.rows.segment]
        ratio = self.all_known(lag)[places.T, self.at]
        return mean_of_known(np.where(places.T >= 0, ratio, np.nan))


def mean_of_known(values: Floats) -> Floats:
    """Mean over the first axis of what is not NaN; NaN where all is.

    Adds one after the other: numpy's own sum picks an order by the shape of the batch.
    """
    total, count = np.zeros(values.shape[1:]), np.zeros(values.shape[1:])
    for part in values:
        seen = ~np.isnan(part)
        count += seen
        total += np.where(seen, part, 0.0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)

"""Features of a forecast: one function for training, for the stream and for backfills."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from ml.columns import Floats, Integers
from ml.grid import Rows, SpeedGrid
from ml.profile import Profile
from ml.roads import Roads
from specs.errors import WrongInput
from specs.ml import Feature, FeatureKind, MlSpec

DAY_SECONDS = 86_400
WINDOWS_AT_ONCE = 256  # bounds the memory that the network's mean takes
MICRO = 1e6


def features(
    grid: SpeedGrid, rows: Rows, spec: MlSpec, profile: Profile, horizon_minutes: int
) -> Floats:
    """What the model sees of each row: nothing later than the row's own window.

    A value depends on the grid's cells and the row alone, bit for bit: not on the other rows, nor
    on how they were batched.

    Args:
        grid: speeds [segments, windows] in km/h.
        rows: [n] cells to forecast from.
        spec: the features; where it says ``at: target``, the time is the target window's start.
        profile: usual speed over free-flow speed by time of the week.
        horizon_minutes: from a row's window start to its target's.

    Returns:
        [n, features], in the order of the spec; NaN where nothing is known.

    Raises:
        WrongInput: the grid has dropped windows that a row's history needs.
    """
    if len(rows) and grid.complete_from is not None:
        oldest = int(rows.window.min()) - spec.history_windows
        if oldest < grid.complete_from:
            raise WrongInput(
                f"a row's history starts at window {oldest}, the grid at {grid.complete_from}; "
                "build the grid from older rows"
            )
    view = _View(grid, rows, spec, profile, horizon_minutes)
    matrix = np.empty((len(rows), len(spec.features)))
    for column, feature in enumerate(spec.features):
        matrix[:, column] = KINDS[feature.kind](view, feature)
    return matrix


def seconds_of_week(roads: Roads, rows: Rows, window_seconds: int) -> Integers:
    """Wall-clock seconds since Monday midnight [n] at the window's start, in the segment's zone."""
    zones = roads.zone[rows.segment]
    windows, at = np.unique(rows.window, return_inverse=True)
    clock = np.zeros((len(roads.zones), len(windows)), dtype=np.int64)
    for zone in np.unique(zones):
        for column, window in enumerate(windows.tolist()):
            local = datetime.fromtimestamp(window * window_seconds, roads.zones[zone])
            passed = local.hour * 3600 + local.minute * 60 + local.second
            clock[zone, column] = local.weekday() * DAY_SECONDS + passed
    return clock[zones, at]


@dataclass(frozen=True)
class _View:
    """What the kinds of features are made from, each part computed once."""

    grid: SpeedGrid
    rows: Rows
    spec: MlSpec
    profile: Profile
    horizon_minutes: int

    @cached_property
    def observed(self) -> Floats:
        """Speed [lags, n] of the row's window, the one before it and so on."""
        return _observed(self.grid, self.rows, self.spec.history_windows)

    @cached_property
    def known(self) -> Floats:
        """Newest speed [lags, n] at that lag or before it, inside the history."""
        return _carried_forward(self.observed)

    @cached_property
    def free_flow(self) -> Floats:
        speeds: Floats = self.grid.roads.free_flow_speed_kmh[self.rows.segment]
        return speeds

    def mean(self, windows: int) -> Floats:
        return _mean(self.observed[:windows])

    def clock(self, feature: Feature) -> Integers:
        """Seconds of the week [n] at the row's window or its target."""
        return self._clock_at_target if feature.at == "target" else self._clock_at_window

    @cached_property
    def _clock_at_window(self) -> Integers:
        return seconds_of_week(self.grid.roads, self.rows, self.grid.window_seconds)

    @cached_property
    def _clock_at_target(self) -> Integers:
        target = targets_of(self.grid, self.rows, self.horizon_minutes)
        return seconds_of_week(self.grid.roads, target, self.grid.window_seconds)


def targets_of(grid: SpeedGrid, rows: Rows, horizon_minutes: int) -> Rows:
    """Cells that the rows' forecasts are about."""
    return Rows(rows.segment, rows.window + grid.windows_in(horizon_minutes))


def _observed(grid: SpeedGrid, rows: Rows, history_windows: int) -> Floats:
    windows, at = np.unique(rows.window, return_inverse=True)
    speeds = np.empty((history_windows + 1, len(rows)))
    for lag in range(history_windows + 1):
        speeds[lag] = grid.cells[rows.segment, grid.columns(windows - lag)[at]]
    return speeds


def _carried_forward(observed: Floats) -> Floats:
    """Fill each lag [lags, ...] from the next older one."""
    known = observed.copy()
    for lag in range(len(known) - 2, -1, -1):
        np.copyto(known[lag], known[lag + 1], where=np.isnan(known[lag]))
    return known


def _mean(observed: Floats) -> Floats:
    """Mean over the lags [lags, n] that were observed; NaN where none was.

    Adds lag after lag: numpy's own sum picks an order by the shape of the batch.
    """
    total, count = np.zeros(observed.shape[1]), np.zeros(observed.shape[1])
    for speeds in observed:
        seen = ~np.isnan(speeds)
        count += seen
        total += np.where(seen, speeds, 0.0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _stddev(view: _View, feature: Feature) -> Floats:
    """Population standard deviation over the windows that were observed."""
    squares = (view.observed[: feature.windows] - view.mean(feature.windows)) ** 2
    spread: Floats = np.sqrt(_mean(squares))
    return spread


def _ratio(view: _View, feature: Feature) -> Floats:
    speed = view.mean(feature.windows) if feature.windows else view.known[0]
    return speed / view.free_flow


def _observed_share(view: _View, feature: Feature) -> Floats:
    seen = ~np.isnan(view.observed[: feature.windows])
    share: Floats = seen.sum(axis=0) / feature.windows
    return share


def _network(view: _View, feature: Feature) -> Floats:
    """Mean over the source's segments of newest known speed over free-flow speed.

    Known, not observed: while a window is open, the segments that have not reported yet count
    with their last window. In whole millionths, whose sum has no order.
    """
    grid, lags = view.grid, range(view.spec.history_windows - feature.windows + 1)
    source = grid.roads.source[view.rows.segment]
    windows, at = np.unique(view.rows.window - feature.windows, return_inverse=True)
    means = np.full((len(grid.roads.sources), len(windows)), np.nan)
    for code in np.unique(source):
        members = np.flatnonzero(grid.roads.source == code)
        free_flow = grid.roads.free_flow_speed_kmh[members][:, np.newaxis]
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            asked = windows[start : start + WINDOWS_AT_ONCE]
            observed = [grid.cells[np.ix_(members, grid.columns(asked - lag))] for lag in lags]
            ratio = _carried_forward(np.stack(observed))[0] / free_flow
            seen = ~np.isnan(ratio)
            total = np.rint(np.where(seen, ratio, 0.0) * MICRO).astype(np.int64).sum(axis=0)
            count = seen.sum(axis=0)
            np.divide(total, count * MICRO, out=means[code, start:][: len(asked)], where=count > 0)
    return means[source, at]


def _time_of_day(function: Callable[[float], float]) -> Callable[[_View, Feature], Floats]:
    def kind(view: _View, feature: Feature) -> Floats:
        seconds, at = np.unique(view.clock(feature) % DAY_SECONDS, return_inverse=True)
        angles = [2 * math.pi * second / DAY_SECONDS for second in seconds.tolist()]
        return np.array([function(angle) for angle in angles])[at]

    return kind


def _profile(view: _View, feature: Feature) -> Floats:
    return view.profile.at(view.grid.roads.segment_ids, view.rows.segment, view.clock(feature))


KINDS: dict[FeatureKind, Callable[[_View, Feature], Floats]] = {
    "lag": lambda view, feature: view.known[feature.windows],
    "mean": lambda view, feature: view.mean(feature.windows),
    "stddev": _stddev,
    "ratio": _ratio,
    "observed": _observed_share,
    "free_flow": lambda view, feature: view.free_flow,
    "network": _network,
    "day_sin": _time_of_day(math.sin),
    "day_cos": _time_of_day(math.cos),
    "day_of_week": lambda view, feature: (view.clock(feature) // DAY_SECONDS).astype(np.float64),
    "profile": _profile,
}

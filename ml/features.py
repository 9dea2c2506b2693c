"""Features of a forecast: one function for training, for the stream and for backfills."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.calendar import DAY_SECONDS, HOUR_SECONDS, local_times
from ml.columns import Floats, Integers
from ml.grid import Rows, SpeedGrid
from ml.memory import Memory
from ml.places import Places, mean_of_known
from specs.errors import WrongInput
from specs.ml import Feature, FeatureKind, MlSpec

MINUTE_SECONDS = 60

PIECE_ROWS = 200_000
"""Seen at once by those who look at many: some 300 MB of what features are made from."""


def features(
    grid: SpeedGrid, rows: Rows, spec: MlSpec, memory: Memory, horizon_minutes: int
) -> Floats:
    """What the model sees of each row: nothing later than the row's own window.

    A value depends on the grid's cells and the row alone, bit for bit: not on the other rows, nor
    on how they were batched.

    Args:
        grid: speeds [segments, windows] in km/h.
        rows: [n] cells to forecast from.
        spec: the features; where it says ``at: target``, the time is the target window's start.
        memory: what was usual by time of the week, and how the network goes on.
        horizon_minutes: from a row's window start to its target's.

    Returns:
        [n, features], in the order of the spec; NaN where nothing is known.

    Raises:
        WrongInput: the grid has dropped windows that a row's history needs.
    """
    return FeatureView(grid, rows, spec, memory).at(horizon_minutes)


def targets_of(grid: SpeedGrid, rows: Rows, horizon_minutes: int) -> Rows:
    """Cells that the rows' forecasts are about."""
    return Rows(rows.segment, rows.window + grid.windows_in(horizon_minutes))


class FeatureView:
    """What the features of some rows are made from, each part computed once for all horizons."""

    def __init__(self, grid: SpeedGrid, rows: Rows, spec: MlSpec, memory: Memory) -> None:
        """Look at ``rows`` of ``grid``, see `features`."""
        if len(rows) and grid.complete_from is not None:
            oldest = int(rows.window.min()) - spec.history_windows
            if oldest < grid.complete_from:
                raise WrongInput(
                    f"a row's history starts at window {oldest}, the grid at {grid.complete_from};"
                    " build the grid from older rows"
                )
        self.grid, self.rows, self.spec, self.memory = grid, rows, spec, memory
        self.places = Places(grid, rows, spec.history_windows)
        self._by_time = [self._of_time(feature) for feature in spec.features]
        self._fixed: dict[int, Floats] = {}

    @staticmethod
    def _of_time(feature: Feature) -> bool:
        return feature.at == "target" or feature.kind == "profile_change"

    def at(self, horizon_minutes: int) -> Floats:
        """Features [n, features] of a forecast that far ahead."""
        times = _Times(self, horizon_minutes)
        matrix = np.empty((len(self.rows), len(self.spec.features)))
        for column, feature in enumerate(self.spec.features):
            if self._by_time[column]:
                matrix[:, column] = KINDS[feature.kind](times, feature)
                continue
            if column not in self._fixed:
                self._fixed[column] = KINDS[feature.kind](times, feature)
            matrix[:, column] = self._fixed[column]
        return matrix

    @cached_property
    def observed(self) -> Floats:
        """Speed over free flow [lags, n] of the row's window, the one before it and so on."""
        return self.places.observed

    @cached_property
    def known(self) -> Floats:
        """Newest speed over free flow [lags, n] at that lag or before it, inside the history."""
        known = self.observed.copy()
        for lag in range(len(known) - 2, -1, -1):
            np.copyto(known[lag], known[lag + 1], where=np.isnan(known[lag]))
        return known

    @cached_property
    def clock(self) -> Integers:
        """Seconds of the week [n] at the rows' windows."""
        return local_times(self.grid.roads, self.rows, self.grid.window_seconds)[1]

    @cached_property
    def network_inputs(self) -> Floats:
        """What the network's forecasts stand on [inputs, n]."""
        return self.memory.network.inputs(self.places, self.grid, self.memory.recent)

    def known_of(self, feature: Feature, windows: int) -> Floats:
        """Newest speed over free flow [n] known ``windows`` ago of the places asked for."""
        if feature.of == "segment":
            known: Floats = self.known[windows]
            return known
        return self.places.known_of(feature.of, windows)


@dataclass(frozen=True)
class _Times:
    """A view of rows, and how far ahead their targets lie."""

    view: FeatureView
    horizon_minutes: int

    @cached_property
    def _clock_at_target(self) -> Integers:
        view = self.view
        target = targets_of(view.grid, view.rows, self.horizon_minutes)
        return local_times(view.grid.roads, target, view.grid.window_seconds)[1]

    def clock(self, feature: Feature) -> Integers:
        """Seconds of the week [n] at the row's window or its target."""
        return self._clock_at_target if feature.at == "target" else self.view.clock

    def usual(self, feature: Feature) -> Floats:
        """Usual value [n] of the feature's measure at its time."""
        view = self.view
        return view.memory.of(feature.over).at(
            feature.measure, view.grid.roads.segment_ids, view.rows.segment, self.clock(feature)
        )


def _lag(times: _Times, feature: Feature) -> Floats:
    return times.view.known_of(feature, feature.windows)


def _change(times: _Times, feature: Feature) -> Floats:
    """Now less ``windows`` ago, both as known then."""
    now = times.view.known_of(feature, 0)
    return now - times.view.known_of(feature, feature.windows)


def _mean(times: _Times, feature: Feature) -> Floats:
    return mean_of_known(times.view.observed[: feature.windows])


def _stddev(times: _Times, feature: Feature) -> Floats:
    """Population standard deviation over the windows that were observed."""
    observed = times.view.observed[: feature.windows]
    spread: Floats = np.sqrt(mean_of_known((observed - mean_of_known(observed)) ** 2))
    return spread


def _lowest(times: _Times, feature: Feature) -> Floats:
    lowest: Floats = np.fmin.reduce(times.view.observed[: feature.windows], axis=0)
    return lowest


def _congested_share(times: _Times, feature: Feature) -> Floats:
    observed = times.view.observed[: feature.windows]
    congested = (observed < times.view.spec.label.congested_below_ratio).astype(np.float64)
    return mean_of_known(np.where(np.isnan(observed), np.nan, congested))


def _observed_share(times: _Times, feature: Feature) -> Floats:
    seen = ~np.isnan(times.view.observed[: feature.windows])
    share: Floats = seen.sum(axis=0) / feature.windows
    return share


def _age(times: _Times, feature: Feature) -> Floats:
    """Minutes from the start of the newest observed window; NaN where the history has none."""
    seen = ~np.isnan(times.view.observed)
    newest = np.where(seen.any(axis=0), seen.argmax(axis=0).astype(np.float64), np.nan)
    return newest * (times.view.grid.window_seconds / MINUTE_SECONDS)


def _on_a_circle(function: Callable[[float], float]) -> Callable[[_Times, Feature], Floats]:
    def kind(times: _Times, feature: Feature) -> Floats:
        period = feature.period_hours * HOUR_SECONDS
        seconds, at = np.unique(times.clock(feature) % period, return_inverse=True)
        angles = [2 * math.pi * second / period for second in seconds.tolist()]
        return np.array([function(angle) for angle in angles])[at]

    return kind


def _anomaly(times: _Times, feature: Feature) -> Floats:
    """Newest known speed over free flow less what is usual on the segment at this time."""
    known: Floats = times.view.known[feature.windows]
    return known - times.usual(feature)


def _profile_change(times: _Times, feature: Feature) -> Floats:
    """What is usual at the target's time less what is usual now."""
    now, then = (feature.model_copy(update={"at": at}) for at in ("window", "target"))
    return times.usual(then) - times.usual(now)


def _network_forecast(times: _Times, feature: Feature) -> Floats:
    """What is usual at the target's time and what the network's state adds to it."""
    view, ids = times.view, times.view.grid.roads.segment_ids
    return times.usual(feature) + view.memory.network.at(
        feature.measure, times.horizon_minutes, ids, view.rows.segment, view.network_inputs
    )


def _level(times: _Times, feature: Feature) -> Floats:
    view = times.view
    profile, ids = view.memory.of(feature.over), view.grid.roads.segment_ids
    return profile.level_of(feature.measure, ids, view.rows.segment)


KINDS: dict[FeatureKind, Callable[[_Times, Feature], Floats]] = {
    "lag": _lag,
    "change": _change,
    "mean": _mean,
    "stddev": _stddev,
    "lowest": _lowest,
    "congested": _congested_share,
    "observed": _observed_share,
    "age": _age,
    "anomaly": _anomaly,
    "free_flow": lambda times, _: times.view.grid.roads.free_flow_speed_kmh[
        times.view.rows.segment
    ],
    "day_sin": _on_a_circle(math.sin),
    "day_cos": _on_a_circle(math.cos),
    "day_of_week": lambda times, feature: (times.clock(feature) // DAY_SECONDS).astype(np.float64),
    "profile": lambda times, feature: times.usual(feature),
    "profile_change": _profile_change,
    "level": _level,
    "network_forecast": _network_forecast,
}

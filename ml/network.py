"""How a segment goes on, seen from its whole network: one linear forecast a segment.

It reads anomalies: the newest known speed over free flow less what was usual lately at that time of
the week. A segment's inputs are, at some lags, its own anomaly, the network's modes (principal
components of the anomalies of all segments) and the anomalies of the segments that tell most of it.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ml.calendar import clocks
from ml.columns import Floats, Integers
from ml.grid import SpeedGrid
from ml.places import Places
from ml.profile import Profile, positions
from specs.ml import Measure
from specs.ml import Network as NetworkSpec

MEASURES: tuple[Measure, ...] = ("speed_ratio", "congested_ratio")
LARGEST = 2.0
"""Anomalies beyond are cut: free flow is not known that badly."""

ANOMALY_UNIT, MODE_UNIT = 1e4, 1e6
"""Modes are sums of whole numbers, exact in a float: their order cannot change a bit."""


@dataclass(frozen=True, eq=False)
class NetworkForecast:
    """Weights of the linear forecasts, of every horizon and measure.

    ``modes`` [segments, modes] are whole numbers in `MODE_UNIT`; ``links`` [segments, links] are
    positions in ``segment_ids``; ``weights`` [horizons, measures, segments + 1, inputs], the last
    of every other segment. Inputs are by lag: own, modes, links.
    """

    segment_ids: tuple[str, ...]
    horizons_minutes: tuple[int, ...]
    lags: tuple[int, ...]
    modes: Floats
    links: Integers
    weights: Floats

    @classmethod
    def unknown(cls, spec: NetworkSpec, horizons_minutes: tuple[int, ...]) -> Self:
        """A forecast of nothing: all goes on as usual."""
        inputs = len(spec.lags_windows) * (1 + spec.modes + spec.links)
        return cls(
            segment_ids=(),
            horizons_minutes=horizons_minutes,
            lags=spec.lags_windows,
            modes=np.empty((0, spec.modes)),
            links=np.empty((0, spec.links), dtype=np.int64),
            weights=np.zeros((len(horizons_minutes), len(MEASURES), 1, inputs)),
        )

    def inputs(self, places: Places, grid: SpeedGrid, recent: Profile) -> Floats:
        """What the forecasts of rows stand on [inputs, n]; a value depends on its window alone."""
        ids, rows = grid.roads.segment_ids, places.rows
        here = positions(ids, self.segment_ids)
        known = positions(self.segment_ids, ids)[rows.segment]
        found: list[Floats] = []
        for lag in self.lags:
            anomaly = anomalies(places, grid, recent, lag)
            ours = np.where((here >= 0)[:, np.newaxis], anomaly[here], 0.0)
            linked = ours[self.links[known].T, places.at] if len(ours) else None
            found += [
                anomaly[rows.segment, places.at][np.newaxis],
                in_modes(ours, self.modes)[places.at].T,
                np.zeros((self.links.shape[1], len(rows))) if linked is None else linked,
            ]
        return np.concatenate(found)

    def at(
        self, measure: Measure, horizon_minutes: int, ids: tuple[str, ...], segment: Integers,
        inputs: Floats,
    ) -> Floats:  # fmt: skip
        """Expected anomaly [n] at the target of the segments ``ids[segment]``.

        Adds one input after the other: numpy's own sum picks an order by the shape of the batch.
        """
        known = positions(self.segment_ids, ids)[segment]  # -1 is every other one
        horizon = self.horizons_minutes.index(horizon_minutes)
        weights = self.weights[horizon, MEASURES.index(measure)]
        total = np.zeros(len(segment))
        for values, weight in zip(inputs, weights.T, strict=True):
            total += values * weight[known]
        return total


def anomalies(places: Places, grid: SpeedGrid, recent: Profile, lag: int) -> Floats:
    """Anomaly [segments, windows of the rows] of every segment, 0 where nothing is known."""
    roads, windows = grid.roads, places.windows - lag
    clock = clocks(roads, windows, grid.window_seconds)[1][roads.zone]
    segment = np.repeat(np.arange(len(roads.segment_ids)), len(windows))
    usual = recent.at("speed_ratio", roads.segment_ids, segment, clock.ravel())
    anomaly = places.all_known(lag) - usual.reshape(clock.shape)
    return np.nan_to_num(np.clip(anomaly, -LARGEST, LARGEST))


def in_modes(anomaly: Floats, modes: Floats) -> Floats:
    """Strength [windows, modes] of each mode in anomalies [segments, windows]."""
    return np.rint(anomaly * ANOMALY_UNIT).T @ modes / (ANOMALY_UNIT * MODE_UNIT)

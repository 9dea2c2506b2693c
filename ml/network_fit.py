"""Fits the linear forecasts from the state of the whole network, see `ml.network`.

Each segment has a ridge regression of its own, drawn to what its own anomaly foretells on the
average segment: one that was seldom seen goes on as others do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from ml.calendar import clocks
from ml.columns import Floats, Integers, pieces
from ml.grid import Rows
from ml.network import MEASURES, MODE_UNIT, NetworkForecast, anomalies, in_modes
from ml.observations import Observations
from ml.places import Places
from ml.profile import Profile
from ml.recent import refresh_days

MAX_CELLS = 40_000_000
"""Segments times windows that a fit looks at: 160 MB a lag. Of more it skips windows, evenly."""

MAX_PAIRS = 40_000_000
"""Of segments, that are compared at once: another 160 MB."""

Small = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NetworkFits:
    """The forecast learnt from all local days, and those that leave every so-manieth out."""

    whole: NetworkForecast
    parts: tuple[NetworkForecast, ...]

    def without(self, local_day: int) -> NetworkForecast:
        """Learnt without that local day, an ordinal, and some others."""
        return self.parts[local_day % len(self.parts)]


def fit_networks(observations: Observations, start: int, end: int) -> NetworkFits:
    """Learn how each segment goes on from targets in windows from ``start`` to ``end`` (excluded).

    Source: Hoerl and Kennard 1970, Ridge regression: biased estimation for nonorthogonal problems.
    """
    spec = observations.spec
    every = spec.training.calibrate_every_days
    unknown = NetworkForecast.unknown(spec.network, spec.horizons_minutes)
    if all(feature.kind != "network_forecast" for feature in spec.features):
        return NetworkFits(unknown, (unknown,) * every)
    past = _Past(observations, start, end)
    if not past.is_known:
        return NetworkFits(unknown, (unknown,) * every)
    weights = past.weights(every)
    made = tuple(
        NetworkForecast(
            segment_ids=observations.seen.roads.segment_ids,
            horizons_minutes=spec.horizons_minutes,
            lags=spec.network.lags_windows,
            modes=past.modes,
            links=past.links,
            weights=one,
        )
        for one in weights
    )
    return NetworkFits(made[0], made[1:])


class _Past:
    """Anomalies [lags, segments, windows] and what came of them [horizons, measures, ...]."""

    def __init__(self, observations: Observations, start: int, end: int) -> None:
        self._observations, self._end = observations, end
        self._seen, self._spec = observations.seen, observations.spec
        windows = self._seen.windows
        windows = windows[(windows >= start) & (windows < end)]
        self._segments = len(self._seen.roads.segment_ids)
        self._windows = windows[:: -(-self._segments * max(len(windows), 1) // MAX_CELLS)]
        horizons, count = self._spec.horizons_minutes, len(self._windows)
        shape = (self._segments, count)
        self._anomaly = np.zeros((len(self._spec.network.lags_windows), *shape), np.float32)
        self._came = np.full((len(horizons), len(MEASURES), *shape), np.nan, np.float32)
        self._fill()

    def _fill(self) -> None:
        days = refresh_days(self._windows, self._seen.window_seconds, self._spec)
        for day in np.unique(days).tolist():
            recent = self._observations.cells.recent(day)
            if not len(recent.segment_ids):
                continue  # nothing was observed before: no anomaly is known
            at = np.flatnonzero(days == day)
            windows = self._windows[at]
            rows = Rows(np.zeros(len(at), dtype=np.int64), windows)
            places = Places(self._seen, rows, self._spec.history_windows)
            for place, lag in enumerate(self._spec.network.lags_windows):
                self._anomaly[place][:, at] = anomalies(places, self._seen, recent, lag)
            for place, horizon in enumerate(self._spec.horizons_minutes):
                self._came[place][:, :, at] = self._outcome(windows, horizon, recent)

    def _outcome(self, windows: Integers, horizon_minutes: int, recent: Profile) -> Floats:
        """What came less what is usual [measures, segments, windows]; NaN where none was seen."""
        truth, roads = self._observations.truth, self._seen.roads
        target = windows + truth.windows_in(horizon_minutes)
        ratio = truth.cells[:, truth.columns(target)] / roads.free_flow_speed_kmh[:, np.newaxis]
        ratio[:, ~self._observations.passed(target, self._end)] = np.nan
        congested = np.where(
            np.isnan(ratio), np.nan, ratio < self._spec.label.congested_below_ratio
        )
        clock = clocks(roads, target, truth.window_seconds)[1][roads.zone]
        segment = np.repeat(np.arange(self._segments), len(windows))
        usual = [
            recent.at(measure, roads.segment_ids, segment, clock.ravel()).reshape(ratio.shape)
            for measure in MEASURES
        ]
        return np.stack([ratio, congested]) - np.stack(usual)

    @property
    def is_known(self) -> bool:
        """Whether anything came of any anomaly."""
        return bool((~np.isnan(self._came)).any() and self._anomaly.any())

    @cached_property
    def modes(self) -> Floats:
        """Principal components [segments, modes], each of unit variance, in whole numbers.

        Source: Halko, Martinsson and Tropp 2011, Finding structure with randomness.
        """
        newest = self._anomaly[0]
        count = min(self._spec.network.modes, *newest.shape)
        seed = self._spec.training.seed
        vectors, sizes, _ = randomized_svd(newest, n_components=count, random_state=seed)
        spread = sizes / np.sqrt(newest.shape[1])
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-6)
        whole: Floats = np.rint(vectors.astype(np.float64) * scale * MODE_UNIT)
        return whole

    @cached_property
    def links(self) -> Integers:
        """Of each segment [segments, links] those that told most of what it did not tell itself.

        Their anomaly at the oldest lag against its newest one: outcomes play no part.
        """
        newest, oldest = self._anomaly[0], self._anomaly[-1]
        own = (newest * oldest).sum() / max(float((oldest**2).sum()), 1e-9)
        predictors, rest = _standard(oldest), _standard(newest - own * oldest)
        count = min(self._spec.network.links, self._segments)
        best = np.empty((self._segments, count), dtype=np.int64)
        for some in pieces(self._segments, max(MAX_PAIRS // self._segments, 1)):
            alike = np.abs(rest[some] @ predictors.T)  # [segment, predictor]
            np.fill_diagonal(alike[:, some], 0.0)
            best[some] = _largest(alike, count)
        return best

    def weights(self, parts: int) -> Floats:
        """Weights [1 + parts, horizons, measures, segments + 1, inputs].

        The first are of all local days, the others leave every so-manieth out.
        """
        scale = self._scale
        ridge = self._spec.network.ridge_rows * np.eye(len(scale))
        found = np.zeros((1 + parts, *self._came.shape[:2], self._segments + 1, len(scale)))
        for horizon, minutes in enumerate(self._spec.horizons_minutes):
            part = self._local_day(minutes) % parts
            priors = self._priors(horizon, part, parts)
            for place, prior in enumerate(priors):
                found[place, horizon, :, -1] = (prior / scale).T
            for segment in range(self._segments):
                came = self._came[horizon, :, segment]
                rows = np.flatnonzero(~np.isnan(came[0]))
                inputs = self._inputs(segment, rows)
                sums = _sums(inputs, came[:, rows], part[segment, rows], parts)
                for place, (squares, products) in enumerate(sums):
                    prior = priors[place]
                    solved = np.linalg.solve(squares + ridge, products - squares @ prior)
                    found[place, horizon, :, segment] = ((prior + solved) / scale).T
        return found

    @cached_property
    def _strength(self) -> list[Small]:
        """Strength [modes, windows] of the modes at each lag."""
        lags = (in_modes(lag.astype(np.float64), self.modes).T for lag in self._anomaly)
        return [lag.astype(np.float32) for lag in lags]

    @cached_property
    def _scale(self) -> Floats:
        """Spread [inputs, 1] that each input is divided by: that of all anomalies; 1 for modes."""
        unit = float(self._anomaly[0].std())
        of_lag = [unit, *[1.0] * self.modes.shape[1], *[unit] * self.links.shape[1]]
        return np.array(of_lag * len(self._anomaly))[:, np.newaxis]

    def _inputs(self, segment: int, rows: Integers) -> Small:
        """Scaled inputs [inputs, rows] of a segment, in the order of `NetworkForecast.weights`."""
        pieces = [
            piece
            for lag, modes in zip(self._anomaly, self._strength, strict=True)
            for piece in (lag[[segment]], modes, lag[self.links[segment]])
        ]
        scaled = np.concatenate(pieces)[:, rows] / self._scale
        return scaled.astype(np.float32)

    def _local_day(self, horizon_minutes: int) -> Integers:
        """Local day [segments, windows] of the targets, as an ordinal."""
        target = self._windows + self._seen.windows_in(horizon_minutes)
        days = clocks(self._seen.roads, target, self._seen.window_seconds)[0]
        of_segment: Integers = days[self._seen.roads.zone]
        return of_segment

    def _priors(self, horizon: int, part: Integers, parts: int) -> list[Floats]:
        """What scaled inputs foretell on the average segment [inputs, measures]: its own alone.

        Learnt from all, then without each part.
        """
        came = self._came[horizon]
        seen = ~np.isnan(came[0])
        own = self._anomaly[:, seen]
        ridge = self._spec.network.ridge_rows * np.eye(len(own)) * float(own.var())
        width = len(self._scale) // len(own)
        found = []
        for squares, products in _sums(own, came[:, seen], part[seen], parts):
            prior = np.zeros((len(self._scale), len(MEASURES)))
            prior[::width] = np.linalg.solve(squares + ridge, products)
            found.append(prior * self._scale)
        return found


def _largest(values: Small, count: int) -> Integers:
    """Columns [n, count] of each row's largest values, the largest first.

    Of equals the first comes first; which of those at the end are left out is not said.
    """
    most = np.sort(np.argpartition(-values, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(values, most, axis=1), axis=1, kind="stable")
    largest: Integers = np.take_along_axis(most, order, axis=1)
    return largest


def _standard(values: Small) -> Small:
    """Rows of zero mean and unit length; a row without spread is zero."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit: Small = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return unit


def _sums(
    inputs: Small, came: Small, part: Integers, parts: int
) -> Iterator[tuple[Floats, Floats]]:
    """Squares [inputs, inputs] and products [inputs, measures]: of all rows, without each part."""
    squares = np.zeros((parts, len(inputs), len(inputs)))
    products = np.zeros((parts, len(inputs), len(came)))
    for one in range(parts):
        rows = np.flatnonzero(part == one)
        chosen = inputs[:, rows]
        squares[one], products[one] = chosen @ chosen.T, chosen @ came[:, rows].T
    every = np.arange(parts)
    for left_out in (-1, *every):
        kept = every != left_out
        yield squares[kept].sum(axis=0), products[kept].sum(axis=0)

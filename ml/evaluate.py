"""The evaluation protocol: which rows count, how they are judged, and how sure a figure is."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ml.baselines import BASELINES
from ml.calendar import DAY_SECONDS, local_times
from ml.columns import Booleans, Floats, Integers
from ml.features import targets_of
from ml.grid import Rows, SpeedGrid
from ml.measures import MEASURES, Figure, Forecast, Outcome, measured
from ml.model import CongestionModel, Prediction
from ml.observations import Observations
from ml.places import Places
from ml.recent import refresh_days
from specs.ml import Metric, Protocol

MODEL = "model"
SPARSITY = ("0-25 %", "25-50 %", "50-75 %", "75-100 %")
SLICE_METRICS: tuple[Metric, ...] = ("brier", "auroc", "mae_kmh")


class Estimate(NamedTuple):
    """A figure, and where it lies when whole days are drawn again; None where undefined."""

    value: Figure
    low: Figure = None
    high: Figure = None


Estimates = Mapping[str, Mapping[str, Estimate]]
"""By forecaster and metric."""


@dataclass(frozen=True, eq=False)
class Judged:
    """The rows of one horizon that count, what came of them and what each forecaster said.

    ``day`` [n] is the target's local date as an ordinal, ``hour`` [n] its local hour and
    ``observed_share`` [n] how much of the hour before was observed.
    """

    rows: Rows
    day: Integers
    hour: Integers
    observed_share: Floats
    outcome: Outcome
    forecasts: Mapping[str, Forecast]

    @property
    def onset(self) -> Booleans:
        """Rows where traffic still flows."""
        return ~self.outcome.congested_now


@dataclass(frozen=True)
class SlicePart:
    """Rows of one hour, road or sparsity."""

    key: str
    row_count: int
    congested_ratio: float
    figures: Mapping[str, Mapping[str, Figure]]


@dataclass(frozen=True)
class HorizonReport:
    """How every forecaster did at one horizon; ``onset`` is of rows that still flow."""

    row_count: int
    congested_ratio: float
    onset_count: int
    overall: Estimates
    onset: Estimates
    slices: Mapping[str, tuple[SlicePart, ...]]


def eligible(grid: SpeedGrid, start: int, end: int, max_age_minutes: int) -> Rows:
    """Cells of windows from ``start`` to ``end`` (excluded) whose newest true observation is fresh.

    Fresh: it was in a window that started at most ``max_age_minutes`` before the cell's window
    ended. Ordered by window, then segment.
    """
    lags = grid.windows_in(max_age_minutes)
    windows = np.arange(start - lags + 1, end)
    observed = ~np.isnan(grid.cells[:, grid.columns(windows)])
    newest = np.maximum.accumulate(np.where(observed, windows, start - lags), axis=1)
    fresh = (windows - newest < lags)[:, lags - 1 :]
    column, segment = np.nonzero(fresh.T)
    return Rows(segment, windows[lags - 1 :][column])


def judge(
    observations: Observations, model: CongestionModel, start: int, end: int
) -> dict[int, Judged]:
    """Forecast every row that counts, by the model and by every baseline.

    Args:
        observations: all that was observed, also before ``start``.
        model: its usual profile is also the baselines'; its recent one is renewed day by day, as
            `traffic model refresh` does, from what was observed before.
        start: first window that is forecast from.
        end: targets are over when this window begins.

    Returns:
        The rows of each horizon in minutes whose target was truly observed.
    """
    grid, spec = observations.seen, observations.spec
    rows = eligible(grid, start, end, spec.protocol.max_age_minutes)
    answer = _forecast(model, observations, rows)
    return {
        horizon: _judged(observations, model, rows, answer, column, end)
        for column, horizon in enumerate(model.horizons_minutes)
    }


def _forecast(model: CongestionModel, observations: Observations, rows: Rows) -> Prediction:
    """The model's answer of every row, a day at once, with that day's recent profile."""
    grid = observations.seen
    answer = Prediction.empty(len(rows), len(model.horizons_minutes))
    if not len(rows):
        return answer
    day = refresh_days(rows.window, grid.window_seconds, model.spec)
    days, cuts = (found.tolist() for found in np.unique(day, return_index=True))
    renewed = [model.with_recent(observations.cells.recent(one)) for one in days]

    def part(which: int) -> None:
        chosen = slice(cuts[which], [*cuts[1:], len(rows)][which])
        made = renewed[which].forecast(grid, rows[chosen])
        for into, values in zip(answer.arrays(), made.arrays(), strict=True):
            into[chosen] = values

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(part, range(len(days))))
    return answer


def _judged(  # noqa: PLR0913, PLR0917  (one horizon's share of what `judge` has)
    observations: Observations, model: CongestionModel, rows: Rows, answer: Prediction,
    column: int, end: int,
) -> Judged:  # fmt: skip
    horizon = model.horizons_minutes[column]
    grid = observations.seen
    speed = observations.targets(rows, horizon)
    target = targets_of(grid, rows, horizon)
    counts = ~np.isnan(speed) & observations.passed(target.window, end)
    rows, target, speed = rows[counts], target[counts], speed[counts]
    forecasts = {MODEL: Forecast(*(values[counts, column] for values in answer.arrays()))}
    for name in observations.spec.baselines:
        forecasts[name] = BASELINES[name](observations, model.memory.training, rows, horizon)
    day, clock = local_times(grid.roads, target, grid.window_seconds)
    now = forecasts["persistence"].probability > 0
    hour_windows = grid.windows_in(60)
    seen = ~np.isnan(Places(grid, rows, hour_windows - 1).observed)
    return Judged(
        rows=rows,
        day=day,
        hour=clock % DAY_SECONDS // 3600,
        observed_share=seen.mean(axis=0),
        outcome=Outcome(observations.label(rows, speed), speed, now),
        forecasts=forecasts,
    )


def report(judged: Judged, observations: Observations) -> HorizonReport:
    """Every measure of every forecaster: over all rows, on onsets, and by hour, road, sparsity."""
    onset = judged.onset
    ids = observations.seen.roads.segment_ids
    quarter = np.minimum((judged.observed_share * 4).astype(np.int64), 3)
    slices = {
        "hour": _slice(judged, judged.hour, [f"{hour:02d}:00" for hour in range(24)]),
        "road": _slice(judged, judged.rows.segment, list(ids)),
        "sparsity": _slice(judged, quarter, list(SPARSITY)),
    }
    everything = np.ones(len(onset), dtype=np.bool_)
    return HorizonReport(
        row_count=len(onset),
        congested_ratio=_share(judged.outcome.congested),
        onset_count=int(onset.sum()),
        overall=_estimates(judged, observations, everything),
        onset=_estimates(judged, observations, onset),
        slices=slices,
    )


def _estimates(judged: Judged, observations: Observations, chosen: Booleans) -> Estimates:
    """Every metric of the spec over the chosen rows, with its day-block bootstrap interval.

    Source: Künsch 1989, The jackknife and the bootstrap for general stationary observations;
    blocks are whole local days, since errors of one day go together.
    """
    spec = observations.spec
    days, day = np.unique(judged.day[chosen], return_inverse=True)
    random = np.random.default_rng(spec.training.seed)
    samples = spec.protocol.bootstrap_samples if len(days) > 1 else 0
    draws = random.multinomial(len(days), np.full(len(days), 1 / max(len(days), 1)), size=samples)
    outcome = judged.outcome[chosen]
    made: dict[str, dict[str, Estimate]] = {}
    for name, forecast in judged.forecasts.items():
        made[name] = {
            metric: _estimate(metric, forecast[chosen], outcome, day, draws, spec.protocol)
            for metric in spec.metrics
        }
    return made


def _estimate(  # noqa: PLR0913, PLR0917
    metric: Metric, forecast: Forecast, outcome: Outcome, day: Integers, draws: Integers,
    protocol: Protocol,
) -> Estimate:  # fmt: skip
    measure = MEASURES[metric]
    sums = measure.sums(forecast, outcome)
    if sums is None or not len(outcome):
        return Estimate(None)
    places = len(sums.place) // len(outcome)  # a row may add to several sums
    by_day = sums.by(np.tile(day, places), int(day.max()) + 1)
    value = measure.figure(by_day.sum(axis=0))
    drawn = [measure.figure(total) for total in draws @ by_day]
    known = [figure for figure in drawn if figure is not None]
    if not known:
        return Estimate(value)
    tail = (1 - protocol.bootstrap_interval) / 2
    low, high = np.quantile(known, [tail, 1 - tail]).tolist()
    return Estimate(value, low, high)


def _slice(judged: Judged, group: Integers, keys: list[str]) -> tuple[SlicePart, ...]:
    """The rows of each group that has any."""
    parts = []
    codes, counts = np.unique(group, return_counts=True)
    in_order = np.argsort(group, kind="stable")
    ends = np.cumsum(counts)
    for code, end, count in zip(codes.tolist(), ends, counts, strict=True):
        chosen = in_order[end - count : end]
        outcome = judged.outcome[chosen]
        figures: dict[str, dict[str, Figure]] = {}
        for name, forecast in judged.forecasts.items():
            figures[name] = {m: measured(m, forecast[chosen], outcome) for m in SLICE_METRICS}
        share = _share(outcome.congested)
        parts.append(SlicePart(keys[code], len(chosen), share, figures))
    return tuple(parts)


def _share(flags: Booleans) -> float:
    return float(flags.mean()) if len(flags) else 0.0

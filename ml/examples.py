"""Examples to learn from: rows with a known outcome, split by time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.columns import Booleans, Floats, Integers
from ml.features import features, seconds_of_week, targets_of
from ml.grid import Rows, SpeedGrid
from ml.model import Examples
from ml.profile import Profile, fit_profile
from specs.errors import WrongInput
from specs.ml import MlSpec, Split

BLOCK_SECONDS = 6 * 3600  # left out as a whole: a row's bucket of the week lies in its own block

Value = Callable[[Floats, Floats], NDArray[Any]]


@dataclass(frozen=True)
class SplitTimes:
    """Window starts (UTC): training is before ``calibrate``, testing from ``test`` to ``end``."""

    train: datetime
    calibrate: datetime
    test: datetime
    end: datetime


@dataclass(frozen=True)
class Parts:
    """Rows of each part; a row and its target lie in the same part."""

    train: Rows
    calibrate: Rows
    test: Rows


def is_congested(speed_kmh: Floats, free_flow_speed_kmh: Floats, spec: MlSpec) -> Booleans:
    """The label rule of the spec; false where the speed is NaN."""
    return speed_kmh < spec.label.congested_below_ratio * free_flow_speed_kmh


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """All rows of a training, and the examples made from them.

    ``rows`` is every cell with a silver row; ``bounds`` are the first window of the training,
    calibration and test parts and the last window of all.
    """

    grid: SpeedGrid
    rows: Rows
    spec: MlSpec
    bounds: tuple[int, int, int, int]

    @classmethod
    def of(cls, grid: SpeedGrid, rows: Rows, spec: MlSpec) -> "ExampleSet":
        """Split ``rows``, in any order, by the spec's shares of time.

        Raises:
            WrongInput: there are too few windows to split.
        """
        in_order = rows[np.lexsort((rows.segment, rows.window))]
        return cls(grid, in_order, spec, _bounds(np.unique(rows.window), spec.training.split))

    @property
    def times(self) -> SplitTimes:
        """The bounds as times."""
        starts = [window * self.grid.window_seconds for window in self.bounds]
        return SplitTimes(*(datetime.fromtimestamp(start, UTC) for start in starts))

    def parts(self, horizon_minutes: int) -> Parts:
        """Rows with an observed target; of the training rows a seeded sample of ``max_rows``."""
        target = targets_of(self.grid, self.rows, horizon_minutes)
        usable = ~np.isnan(self.grid.speeds_at(target))
        _, calibrate, test, _ = self.bounds
        chosen = np.flatnonzero(usable & (target.window < calibrate))
        training = self.spec.training
        if len(chosen) > training.max_rows:
            random = np.random.default_rng([training.seed, horizon_minutes])
            chosen = np.sort(random.choice(chosen, training.max_rows, replace=False))
        return Parts(
            train=self.rows[chosen],
            calibrate=self.rows[usable & (self.rows.window >= calibrate) & (target.window < test)],
            test=self.rows[usable & (self.rows.window >= test)],
        )

    @cached_property
    def profile(self) -> Profile:
        """Usual speed over free-flow speed in the training part."""
        return self.profile_of(np.divide)

    def profile_of(self, value: Value, without_fold: int | None = None) -> Profile:
        """Profile of ``value(speed, free-flow speed)`` over the windows of the training part.

        Raises:
            WrongInput: nothing was observed there.
        """
        speed = self.grid.speeds_at(self.rows)
        chosen = ~np.isnan(speed) & (self.rows.window < self.bounds[1])
        if without_fold is not None:
            chosen &= self._fold(self.rows) != without_fold
        if not chosen.any():
            raise WrongInput("too little was observed in the training part; take a longer time")
        rows, roads = self.rows[chosen], self.grid.roads
        values = value(speed[chosen], roads.free_flow_speed_kmh[rows.segment])
        clock = seconds_of_week(roads, rows, self.grid.window_seconds)
        return fit_profile(
            values.astype(np.float64), rows.segment, clock, roads.segment_ids, self.spec.profile
        )

    def inputs(self, rows: Rows, horizon_minutes: int) -> Floats:
        """Features [n, features] of rows after the training part."""
        return features(self.grid, rows, self.spec, self.profile, horizon_minutes)

    def unseen_inputs(self, rows: Rows, horizon_minutes: int) -> Floats:
        """Features [n, features] of training rows, whose profiles leave their targets out.

        A profile that had averaged the target itself would promise more than it can keep.
        """
        fold_of_target = self._fold(targets_of(self.grid, rows, horizon_minutes))
        inputs = np.empty((len(rows), len(self.spec.features)))
        for fold in np.unique(fold_of_target).tolist():
            chosen = fold_of_target == fold
            profile = self.profile_of(np.divide, without_fold=fold)
            inputs[chosen] = features(self.grid, rows[chosen], self.spec, profile, horizon_minutes)
        return inputs

    def examples(self, rows: Rows, horizon_minutes: int, inputs: Floats) -> Examples:
        """Rows with what came of them."""
        speed = self.grid.speeds_at(targets_of(self.grid, rows, horizon_minutes))
        return Examples(inputs, self.label(rows, speed), speed)

    def label(self, rows: Rows, speed_kmh: Floats) -> Booleans:
        """Whether a speed [n] means congestion on the rows' segments."""
        return is_congested(speed_kmh, self.grid.roads.free_flow_speed_kmh[rows.segment], self.spec)

    def _fold(self, rows: Rows) -> Integers:
        block = rows.window * self.grid.window_seconds // BLOCK_SECONDS
        return block % self.spec.profile.folds


def _bounds(windows: Integers, split: Split) -> tuple[int, int, int, int]:
    """First window of each part and the last of all, by shares of the windows that have rows."""
    calibrate = round(len(windows) * split.train)
    test = round(len(windows) * (split.train + split.calibrate))
    if not 0 < calibrate < test < len(windows):
        raise WrongInput(f"{len(windows)} windows are too few to split by time")
    at = windows[[0, calibrate, test, -1]].tolist()
    return at[0], at[1], at[2], at[3]

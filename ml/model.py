"""The congestion model: boosted trees for each horizon, calibrated on days they have not seen."""

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator

from ml.calibration import Calibrator
from ml.columns import Booleans, Floats, Integers, pieces
from ml.conformal import ConformalInterval
from ml.drift import Reference
from ml.families import Lesson, Trees, grow
from ml.features import PIECE_ROWS, FeatureView
from ml.grid import Rows, SpeedGrid
from ml.median import PerceptronMedian
from ml.memory import Memory
from ml.mixture import Mixture, mixed, mixed_median
from ml.perceptron import Perceptron
from ml.profile import Profile
from specs.errors import WrongInput
from specs.ml import MlSpec

SPREAD = "profile_stddev"
OUTPUTS = 4


@dataclass(frozen=True)
class Prediction:
    """What is expected; every array is [n, horizons].

    ``probability`` of congestion in [0, 1]; ``speed_kmh`` at least 0, as its median; ``low_kmh``
    and ``high_kmh`` hold the true speed as often as the spec promises.
    """

    probability: Floats
    speed_kmh: Floats
    low_kmh: Floats
    high_kmh: Floats

    @classmethod
    def empty(cls, rows: int, horizons: int) -> Self:
        """Room for the answers of every horizon."""
        return cls(*(np.empty((rows, horizons)) for _ in range(OUTPUTS)))

    def arrays(self) -> tuple[Floats, Floats, Floats, Floats]:
        """All four, in the order of the spec's outputs."""
        return self.probability, self.speed_kmh, self.low_kmh, self.high_kmh


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows with a known outcome: ``inputs`` [n, features], ``congested`` [n], ``speed_kmh`` [n]."""

    inputs: Floats
    congested: Booleans
    speed_kmh: Floats

    def with_some_of(self, other: Self, which: Integers) -> Self:
        """These rows, and those of ``other`` at the positions ``which``."""
        pairs = zip(self._columns(), other._columns(), strict=True)
        return type(self)(*(np.concatenate([mine, theirs[which]]) for mine, theirs in pairs))

    def _columns(self) -> tuple[Floats, Booleans, Floats]:
        return self.inputs, self.congested, self.speed_kmh


@dataclass(frozen=True, eq=False)
class Lessons:
    """What one horizon is learnt from.

    Attributes:
        learn: rows to learn from.
        held_out: rows of other days, which calibrate.
        again: positions of the held-out rows that are learnt from in the end, when all is
            calibrated: as large a share of them as was taken of the others.
    """

    learn: Examples
    held_out: Examples
    again: Integers


class _Networks(NamedTuple):
    """The perceptrons beside the trees: of the first and the final probability, of the median."""

    first: Perceptron
    final: Perceptron
    median: PerceptronMedian
    shares: tuple[float, ...]


class CongestionModel(BaseEstimator):  # type: ignore[misc]
    """Probability of congestion and expected speed at each horizon, with all that they stand on.

    It carries the spec it was trained under, so an edit of the features, horizons or label does
    not change what a model in use computes.
    """

    def __init__(self, spec_json: str, window_seconds: int, memory: Memory):
        """Make a model that `fit` completes.

        Args:
            spec_json: the `MlSpec`, dumped.
            window_seconds: length of the primary window.
            memory: what was usual in the training and in recent days, and how the network goes on.
        """
        self.spec_json = spec_json
        self.window_seconds = window_seconds
        self.memory = memory
        self.classifiers: dict[int, Trees] = {}
        self.calibrators: dict[int, Calibrator] = {}
        self.regressors: dict[int, Trees] = {}
        self.intervals: dict[int, ConformalInterval] = {}
        self.references: dict[int, Reference] = {}

    @property
    def spec(self) -> MlSpec:
        """The spec the model was trained under."""
        return _spec(self.spec_json)

    @property
    def horizons_minutes(self) -> tuple[int, ...]:
        """From a row's window start to the start of each target."""
        return tuple(self.classifiers)

    def fit(self, lessons: Mapping[int, Callable[[], Lessons]]) -> Self:
        """Fit one horizon after the other, so that only one's examples are in memory.

        Args:
            lessons: by horizon in minutes, gives what it is learnt from.
        """
        for horizon, made in lessons.items():
            self._fit(horizon, made())
        return self

    def _fit(self, horizon: int, lessons: Lessons) -> None:
        """Learn, calibrate on other days, and learn the probability anew from all days.

        The second forecaster of the probability differs from the first by a few days, so that what
        was found for the one (its share of the network, its calibration) holds for the other; the
        median's gains nothing by them.
        """
        learn, held_out = lessons.learn, lessons.held_out
        everything = learn.with_some_of(held_out, lessons.again)
        # This thread teaches the networks, so it needs a core of its own: with a thread more than
        # there are cores, the networks would be left over when the trees are done.
        cores = (os.cpu_count() or 1) - (self.spec.training.perceptron is not None)
        with ThreadPoolExecutor(max(cores, 1)) as pool:
            regressing = pool.submit(self._regressor, learn)
            growing = [pool.submit(self._classifier, rows) for rows in (learn, everything)]
            networks = self._networks(learn, everything)
            regressor, (first, final) = regressing.result(), (one.result() for one in growing)
        inputs, came = held_out.inputs, self._change(held_out)
        if networks is None:
            raw, change = first.predict(inputs), regressor.predict(inputs)
        else:
            shares, free_flow = networks.shares, self._free_flow(inputs)
            first, raw = mixed(first, networks.first, shares, inputs, held_out.congested)
            regressor, change = mixed_median(
                regressor, networks.median, shares, inputs, came, free_flow
            )
            if isinstance(first, Mixture):
                final = Mixture(final, networks.final, first.share)
        calibrator = Calibrator.fit(raw, held_out.congested)
        self.classifiers[horizon], self.regressors[horizon] = final, regressor
        self.calibrators[horizon] = calibrator
        self.references[horizon] = Reference.of(learn.inputs, learn.congested)
        self.intervals[horizon] = ConformalInterval.fit(
            calibrator.at(raw), self._input(inputs, SPREAD), came - change, self.spec.interval
        )

    def _classifier(self, rows: Examples) -> Trees:
        training, outcome = self.spec.training, rows.congested.astype(np.float64)
        lesson = Lesson(rows.inputs, outcome)
        return grow(training.family, lesson, "log_loss", training.classifier, training.seed)

    def _regressor(self, rows: Examples) -> Trees:
        training = self.spec.training
        # Weighted by free flow, an error of the ratio counts in km/h.
        lesson = Lesson(rows.inputs, self._change(rows)).weighted(self._free_flow(rows.inputs))
        return grow(training.family, lesson, "absolute_error", training.regressor, training.seed)

    def _networks(self, learn: Examples, everything: Examples) -> "_Networks | None":
        spec, seed = self.spec.training.perceptron, self.spec.training.seed
        if spec is None:
            return None
        bounds = [self.spec.label.congested_below_ratio, *spec.also_below]

        def network(rows: Examples) -> Perceptron:
            ratio = rows.speed_kmh / self._free_flow(rows.inputs)
            return Perceptron.fit(rows.inputs, ratio[:, None] < bounds, spec, seed)

        median = PerceptronMedian.fit(Lesson(learn.inputs, self._change(learn)), spec, seed)
        return _Networks(network(learn), network(everything), median, spec.shares)

    def forecast(self, grid: SpeedGrid, rows: Rows) -> Prediction:
        """Forecast from cells of a grid, at every horizon.

        Raises:
            WrongInput: the grid's windows have another length than in training, or it has dropped
                windows that a row's history needs.
        """
        if grid.window_seconds != self.window_seconds:
            raise WrongInput(
                f"the model stands on windows of {self.window_seconds} s, the grid has "
                f"{grid.window_seconds} s; train a new one"
            )
        result = Prediction.empty(len(rows), len(self.horizons_minutes))
        for some in pieces(len(rows), PIECE_ROWS):
            view = FeatureView(grid, rows[some], self.spec, self.memory)
            for column, horizon in enumerate(self.horizons_minutes):
                answer = self._answer(horizon, view.at(horizon))
                for into, values in zip(result.arrays(), answer, strict=True):
                    into[some, column] = values
        return result

    def with_recent(self, recent: Profile) -> Self:
        """This model with other recent days in its memory; its trees are the same."""
        renewed = copy(self)
        renewed.memory = replace(self.memory, recent=recent)
        return renewed

    def predict(self, inputs: Floats) -> Floats:
        """Forecast from ready-made features, as MLflow's generic interface asks.

        Args:
            inputs: [n, 1 + features]: ``horizon_minutes``, then the features of the spec.

        Returns:
            [n, 4]: probability of congestion; expected speed, low and high end of its interval
            in km/h.

        Raises:
            WrongInput: a row has a horizon that the model was not trained for.
        """
        matrix = np.asarray(inputs, dtype=np.float64)
        known = np.isin(matrix[:, 0], self.horizons_minutes)
        if not known.all():
            raise WrongInput(f"horizon_minutes is one of {self.horizons_minutes}")
        result = np.empty((len(matrix), OUTPUTS))
        for horizon in np.unique(matrix[:, 0]).astype(int).tolist():
            chosen = matrix[:, 0] == horizon
            result[chosen] = np.column_stack(self._answer(horizon, matrix[chosen, 1:]))
        return result

    def _answer(self, horizon: int, inputs: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        if not len(inputs):
            return np.empty(0), np.empty(0), np.empty(0), np.empty(0)
        raw = self.classifiers[horizon].predict(inputs)
        probability = self.calibrators[horizon].at(raw)
        expected = self._start(inputs) + self.regressors[horizon].predict(inputs)
        free_flow = self._free_flow(inputs)
        low, middle, high = self.intervals[horizon].at(probability, self._input(inputs, SPREAD))
        offsets = middle, np.minimum(low, middle), np.maximum(high, middle)
        speed, low_kmh, high_kmh = (
            np.maximum(expected + offset, 0.0) * free_flow for offset in offsets
        )
        return probability, speed, low_kmh, high_kmh

    def _change(self, rows: Examples) -> Floats:
        """Of the speed ratio, from the row's start to its target."""
        return rows.speed_kmh / self._free_flow(rows.inputs) - self._start(rows.inputs)

    def _start(self, inputs: Floats) -> Floats:
        """Speed ratio that a change is added to: the newest known, else usual."""
        now = self._input(inputs, "speed_ratio")
        return np.where(np.isnan(now), self._input(inputs, "profile_ratio"), now)

    def _free_flow(self, inputs: Floats) -> Floats:
        return self._input(inputs, "free_flow_speed_kmh")

    def _input(self, inputs: Floats, name: str) -> Floats:
        """One feature's column [n]."""
        column: Floats = inputs[:, _places(self.spec_json)[name]]
        return column


@lru_cache(maxsize=8)
def _spec(spec_json: str) -> MlSpec:
    """Parsed once a process, and never part of a stored model."""
    stored = json.loads(spec_json)
    # Models of before had the vehicles of a target there; a forecast does not ask for them.
    stored["protocol"].pop("min_vehicles", None)
    return MlSpec.model_validate_json(json.dumps(stored))


@lru_cache(maxsize=8)
def _places(spec_json: str) -> Mapping[str, int]:
    """Column of each feature by name."""
    return {feature.name: at for at, feature in enumerate(_spec(spec_json).features)}

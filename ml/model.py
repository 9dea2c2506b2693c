"""The congestion model: boosted trees for each horizon, calibrated on later rows."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression

from ml.columns import Booleans, Floats
from ml.features import features
from ml.grid import Rows, SpeedGrid
from ml.profile import Profile
from ml.threads import one_thread
from specs.errors import WrongInput
from specs.ml import Boosting, MlSpec


@dataclass(frozen=True)
class Prediction:
    """``probability`` [n, horizons] in [0, 1] and ``speed_kmh`` [n, horizons], at least 0."""

    probability: Floats
    speed_kmh: Floats


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows with a known outcome: ``inputs`` [n, features], ``congested`` [n], ``speed_kmh`` [n]."""

    inputs: Floats
    congested: Booleans
    speed_kmh: Floats


class CongestionModel(BaseEstimator):  # type: ignore[misc]
    """Probability of congestion and expected speed at each horizon, with all that they stand on.

    It carries the spec it was trained under, so an edit of the features, horizons or label does
    not change what a model in use computes.
    """

    def __init__(self, spec_json: str, window_seconds: int, profile: Profile):
        """Make a model that `fit` completes.

        Args:
            spec_json: the `MlSpec`, dumped.
            window_seconds: length of the primary window.
            profile: usual speed over free-flow speed, of the training rows.
        """
        self.spec_json = spec_json
        self.window_seconds = window_seconds
        self.profile = profile
        self.classifiers: dict[int, HistGradientBoostingClassifier] = {}
        self.calibrators: dict[int, IsotonicRegression] = {}
        self.regressors: dict[int, HistGradientBoostingRegressor] = {}

    @property
    def spec(self) -> MlSpec:
        """The spec the model was trained under."""
        return _spec(self.spec_json)

    @property
    def horizons_minutes(self) -> tuple[int, ...]:
        """From a row's window start to the start of each target."""
        return tuple(self.classifiers)

    def fit(self, examples: Mapping[int, tuple[Examples, Examples]]) -> Self:
        """Fit every horizon.

        Args:
            examples: by horizon in minutes, those to learn from and later ones to calibrate on.
        """
        training = self.spec.training

        def classifier(horizon: int) -> HistGradientBoostingClassifier:
            rows = examples[horizon][0]
            estimator = HistGradientBoostingClassifier(**_fixed(training.classifier, training.seed))
            with one_thread():
                return estimator.fit(rows.inputs, rows.congested)

        def regressor(horizon: int) -> HistGradientBoostingRegressor:
            rows = examples[horizon][0]
            estimator = HistGradientBoostingRegressor(**_fixed(training.regressor, training.seed))
            with one_thread():
                return estimator.fit(rows.inputs, rows.speed_kmh)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            classifiers = pool.map(classifier, examples)
            regressors = pool.map(regressor, examples)
            self.classifiers = dict(zip(examples, classifiers, strict=True))
            self.regressors = dict(zip(examples, regressors, strict=True))
        for horizon, (_, later) in examples.items():
            raw = self.classifiers[horizon].predict_proba(later.inputs)[:, 1]
            calibrator = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
            self.calibrators[horizon] = calibrator.fit(raw, later.congested)
        return self

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
        shape = (len(rows), len(self.horizons_minutes))
        result = Prediction(np.empty(shape), np.empty(shape))
        for column, horizon in enumerate(self.horizons_minutes):
            inputs = features(grid, rows, self.spec, self.profile, horizon)
            at_horizon = self._answer(horizon, inputs)
            result.probability[:, column] = at_horizon.probability
            result.speed_kmh[:, column] = at_horizon.speed_kmh
        return result

    def predict(self, inputs: Floats) -> Floats:
        """Forecast from ready-made features, as MLflow's generic interface asks.

        Args:
            inputs: [n, 1 + features]: ``horizon_minutes``, then the features of the spec.

        Returns:
            [n, 2]: probability of congestion, expected speed in km/h.

        Raises:
            WrongInput: a row has a horizon that the model was not trained for.
        """
        matrix = np.asarray(inputs, dtype=np.float64)
        known = np.isin(matrix[:, 0], self.horizons_minutes)
        if not known.all():
            raise WrongInput(f"horizon_minutes is one of {self.horizons_minutes}")
        result = np.empty((len(matrix), 2))
        for horizon in np.unique(matrix[:, 0]).astype(int).tolist():
            chosen = matrix[:, 0] == horizon
            answer = self._answer(horizon, matrix[chosen, 1:])
            result[chosen] = np.column_stack([answer.probability, answer.speed_kmh])
        return result

    def _answer(self, horizon_minutes: int, inputs: Floats) -> Prediction:
        if not len(inputs):
            return Prediction(np.empty(0), np.empty(0))
        with one_thread():
            raw = self.classifiers[horizon_minutes].predict_proba(inputs)[:, 1]
            speed_kmh = self.regressors[horizon_minutes].predict(inputs)
        probability = self.calibrators[horizon_minutes].predict(raw)
        return Prediction(np.clip(probability, 0.0, 1.0), np.maximum(speed_kmh, 0.0))


@lru_cache(maxsize=8)
def _spec(spec_json: str) -> MlSpec:
    """Parsed once a process, and never part of a stored model."""
    return MlSpec.model_validate_json(spec_json)


def _fixed(boosting: Boosting, seed: int) -> dict[str, float | int | bool]:
    """Parameters of an estimator whose result only depends on its rows."""
    return {**boosting.model_dump(), "early_stopping": False, "random_state": seed}

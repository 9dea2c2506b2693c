"""The congestion model: boosted trees for each horizon, calibrated on later rows."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression

from ml.features import features
from ml.grid import Booleans, Floats, Rows, SpeedGrid
from ml.profile import Profile
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
        """Make a model without a horizon; `fit_horizon` adds each.

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

    @cached_property
    def spec(self) -> MlSpec:
        """The spec the model was trained under."""
        return MlSpec.model_validate_json(self.spec_json)

    @property
    def horizons_minutes(self) -> tuple[int, ...]:
        """From a row's window start to the start of each target."""
        return tuple(self.classifiers)

    def fit_horizon(self, horizon_minutes: int, train: Examples, calibrate: Examples) -> None:
        """Fit one horizon; ``calibrate`` is later than ``train`` and shares no window with it."""
        training = self.spec.training
        classifier = HistGradientBoostingClassifier(**_fixed(training.classifier, training.seed))
        classifier.fit(train.inputs, train.congested)
        raw = classifier.predict_proba(calibrate.inputs)[:, 1]
        calibrator = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        regressor = HistGradientBoostingRegressor(**_fixed(training.regressor, training.seed))
        self.classifiers[horizon_minutes] = classifier
        self.calibrators[horizon_minutes] = calibrator.fit(raw, calibrate.congested)
        self.regressors[horizon_minutes] = regressor.fit(train.inputs, train.speed_kmh)

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
        raw = self.classifiers[horizon_minutes].predict_proba(inputs)[:, 1]
        probability = self.calibrators[horizon_minutes].predict(raw)
        speed_kmh = self.regressors[horizon_minutes].predict(inputs)
        return Prediction(np.clip(probability, 0.0, 1.0), np.maximum(speed_kmh, 0.0))


def _fixed(boosting: Boosting, seed: int) -> dict[str, float | int | bool]:
    """Parameters of an estimator whose result only depends on its rows."""
    return {**boosting.model_dump(), "early_stopping": False, "random_state": seed}

"""Model families behind one interface: trees that are grown once and then answer.

A fit takes one core, see `ml.threads`; fits run side by side. Its result depends on its rows alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from ml.columns import Floats
from ml.threads import one_thread
from specs.errors import WrongInput
from specs.ml import Boosting, Family

if TYPE_CHECKING:
    from lightgbm import Booster

Loss = Literal["log_loss", "absolute_error"]


@dataclass(frozen=True, eq=False)
class Lesson:
    """Rows to learn from: ``inputs`` [n, features] and ``answers`` [n]."""

    inputs: Floats
    answers: Floats

    def weighted(self, weights: Floats) -> "Lesson":
        """As many rows, each as often as its weight [n] asks: its share of n, rounded up or down.

        scikit-learn's trees would take six times as long over weighted medians. Source: systematic
        resampling, Kitagawa 1996, Monte Carlo filter and smoother.
        """
        share = np.cumsum(weights)
        points = (np.arange(len(weights)) + 0.5) / len(weights)
        drawn = np.searchsorted(share / share[-1], points)
        return Lesson(self.inputs[drawn], self.answers[drawn])


class Trees(Protocol):
    """Boosted trees that have been grown."""

    def predict(self, inputs: Floats) -> Floats:
        """Probability, or the expected answer, of each row [n] of ``inputs`` [n, features]."""
        ...


class SklearnTrees:
    """Trees of scikit-learn's histogram gradient boosting."""

    def __init__(
        self, estimator: HistGradientBoostingClassifier | HistGradientBoostingRegressor
    ) -> None:
        """Answer from a fitted estimator."""
        self.estimator = estimator

    def predict(self, inputs: Floats) -> Floats:
        """See `Trees`."""
        with one_thread():
            if isinstance(self.estimator, HistGradientBoostingClassifier):
                probability: Floats = self.estimator.predict_proba(inputs)[:, 1]
                return probability
            answers: Floats = self.estimator.predict(inputs)
            return answers


class LightGbmTrees:
    """Trees of LightGBM, stored as the text that it writes itself."""

    def __init__(self, text: str) -> None:
        """Answer from the trees of ``text``."""
        self.text = text

    def __getstate__(self) -> dict[str, str]:
        return {"text": self.text}

    @cached_property
    def _booster(self) -> "Booster":
        lightgbm = _lightgbm()
        return lightgbm.Booster(model_str=self.text)  # type: ignore[no-any-return, attr-defined]

    def predict(self, inputs: Floats) -> Floats:
        """See `Trees`."""
        return np.asarray(self._booster.predict(inputs, num_threads=1), dtype=np.float64)


def grow(family: Family, lesson: Lesson, loss: Loss, boosting: Boosting, seed: int) -> Trees:
    """Grow the trees of one answer on one core.

    Args:
        family: the library that grows them.
        lesson: rows to learn from; for ``log_loss`` the answers are 0 and 1.
        loss: ``log_loss`` gives a probability, ``absolute_error`` a median.
        boosting: the parameters.
        seed: the same rows and seed give the same trees.

    Raises:
        WrongInput: the family's library is not there.
    """
    return FAMILIES[family](lesson, loss, boosting, seed)


def _hist_gradient_boosting(
    lesson: Lesson, loss: Loss, boosting: Boosting, seed: int
) -> SklearnTrees:
    fixed = {**boosting.model_dump(), "early_stopping": False, "random_state": seed, "loss": loss}
    is_probability = loss == "log_loss"
    kind = HistGradientBoostingClassifier if is_probability else HistGradientBoostingRegressor
    inputs = lesson.inputs
    unknown = np.isnan(inputs).all(axis=0)  # scikit-learn cannot bin a column of nothing but NaN,
    if unknown.any():  # and no tree can split on it, whatever stands there
        inputs = np.where(unknown, 0.0, inputs)
    with one_thread():
        return SklearnTrees(kind(**fixed).fit(inputs, lesson.answers))


def _light_gbm(lesson: Lesson, loss: Loss, boosting: Boosting, seed: int) -> LightGbmTrees:
    lightgbm = _lightgbm()
    parameters = {
        "objective": "binary" if loss == "log_loss" else "regression_l1",
        "learning_rate": boosting.learning_rate,
        "num_leaves": boosting.max_leaf_nodes,
        "min_data_in_leaf": boosting.min_samples_leaf,
        "lambda_l2": boosting.l2_regularization,
        "feature_fraction_bynode": boosting.max_features,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    rows = lightgbm.Dataset(  # type: ignore[attr-defined]
        lesson.inputs, lesson.answers, free_raw_data=True
    )
    booster = lightgbm.train(parameters, rows, boosting.max_iter)  # type: ignore[attr-defined]
    return LightGbmTrees(booster.model_to_string())


FAMILIES: dict[Family, Callable[[Lesson, Loss, Boosting, int], Trees]] = {
    "hist_gradient_boosting": _hist_gradient_boosting,
    "lightgbm": _light_gbm,
}


def _lightgbm() -> object:
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        raise WrongInput(
            f"LightGBM cannot be loaded ({error}); install it with its OpenMP library (libgomp1 on"
            " Debian), or train with family: hist_gradient_boosting in ml.yaml"
        ) from error
    module: object = lightgbm
    return module

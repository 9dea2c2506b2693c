"""From the trees' score to a probability that keeps its word."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.isotonic import IsotonicRegression

from ml.columns import Booleans, Floats


@dataclass(frozen=True, eq=False)
class Calibrator:
    """A rising line through ``score`` and ``probability``, both [knots]; flat outside.

    Source: Zadrozny and Elkan 2002, Transforming classifier scores into accurate multiclass
    probability estimates, isotonic regression.
    """

    score: Floats
    probability: Floats

    @classmethod
    def fit(cls, score: Floats, happened: Booleans) -> Self:
        """Fit on rows [n] that the trees have not seen."""
        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        fitted.fit(score, happened)
        return cls(fitted.X_thresholds_, fitted.y_thresholds_)

    def at(self, score: Floats) -> Floats:
        """Probability [n] of each score."""
        probability: Floats = np.interp(score, self.score, self.probability)
        return probability

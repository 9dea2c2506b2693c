"""From the trees' score to a probability that keeps its word."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.isotonic import IsotonicRegression

from ml.columns import Booleans, Floats

DIGITS = 12
"""Scores that differ by less are one: between two that nearly are, the regression finds NaN."""


@dataclass(frozen=True, eq=False)
class Calibrator:
    """A rising line through ``score`` and ``probability``, both [knots], from (0, 0) to (1, 1).

    Isotonic regression makes steps, and rows on one step are told apart no more; the line goes
    through the middle of each, so it keeps the order that the scores have.

    Sources: Zadrozny and Elkan 2002, Transforming classifier scores into accurate multiclass
    probability estimates; Oron and Flournoy 2017, Centered isotonic regression.
    """

    score: Floats
    probability: Floats

    @classmethod
    def fit(cls, score: Floats, happened: Booleans) -> Self:
        """Fit on rows [n] that the trees have not seen."""
        score = score.round(DIGITS)
        stepped = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(score, happened)
        steps, step, count = np.unique(stepped, return_inverse=True, return_counts=True)
        middles = np.bincount(step, score) / count
        inside = (middles > 0) & (middles < 1)
        ends = np.array([0.0, 1.0])
        return cls(np.insert(ends, 1, middles[inside]), np.insert(ends, 1, steps[inside]))

    def at(self, score: Floats) -> Floats:
        """Probability [n] of each score."""
        probability: Floats = np.interp(score, self.score, self.probability)
        return probability

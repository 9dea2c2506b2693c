"""A median by a perceptron, which learns how likely the answer is below each of many bounds."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ml.columns import Floats
from ml.families import Lesson
from ml.perceptron import Perceptron
from specs.ml import PerceptronSpec


@dataclass(frozen=True, eq=False)
class PerceptronMedian:
    """The median where the log-odds of an answer below ``bounds``, which rise, pass 0.

    Source: distribution regression, Foresi and Peracchi 1995, The conditional distribution of
    excess returns.
    """

    perceptron: Perceptron
    bounds: Floats

    @classmethod
    def fit(cls, lesson: Lesson, spec: PerceptronSpec, seed: int) -> Self:
        """Learn the answers of ``lesson``; the bounds are quantiles of them.

        Args:
            lesson: rows to learn from.
            spec: the network, and which quantiles.
            seed: the same rows and seed give the same network.
        """
        bounds = np.quantile(lesson.answers, sorted(spec.median_quantiles))
        is_below = lesson.answers[:, None] < bounds
        own = spec.model_copy(update={"epochs": spec.median_epochs})
        return cls(Perceptron.fit(lesson.inputs, is_below, own, seed, len(bounds)), bounds)

    def predict(self, inputs: Floats) -> Floats:
        """The median of each row [n] of ``inputs`` [n, features], within the outermost bounds."""
        odds = np.maximum.accumulate(self.perceptron.log_odds(inputs), axis=1)
        right = np.clip((odds < 0).sum(axis=1), 1, len(self.bounds) - 1)
        row = np.arange(len(odds))
        low, high = odds[row, right - 1], odds[row, right]
        rise = np.where(high > low, high - low, np.inf)
        step = np.clip(-low / rise, 0.0, 1.0)
        left = self.bounds[right - 1]
        median: Floats = left + step * (self.bounds[right] - left)
        return median

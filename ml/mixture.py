"""Trees and a perceptron that answer together: they err on different rows."""

from dataclasses import dataclass

import numpy as np

from ml.columns import Booleans, Floats
from ml.families import Trees
from ml.median import PerceptronMedian
from ml.perceptron import Perceptron

SURE = 1e-6
"""Trees are taken to be no surer than this."""

Shares = tuple[float, ...]
Mixed = tuple[Trees, Floats]
"""Who answers, and what it says of the rows that the share was chosen by."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """A probability: the mean of both in log-odds, the perceptron's with weight ``share``."""

    trees: Trees
    perceptron: Perceptron
    share: float

    def predict(self, inputs: Floats) -> Floats:
        """See `ml.families.Trees`."""
        return _probability(_mean(*_odds(self.trees, self.perceptron, inputs), self.share))


@dataclass(frozen=True, eq=False)
class MedianMixture:
    """A median: the mean of both, the perceptron's with weight ``share``."""

    trees: Trees
    perceptron: PerceptronMedian
    share: float

    def predict(self, inputs: Floats) -> Floats:
        """See `ml.families.Trees`."""
        return _mean(self.trees.predict(inputs), self.perceptron.predict(inputs), self.share)


def mixed(
    trees: Trees, perceptron: Perceptron, shares: Shares, inputs: Floats, happened: Booleans
) -> Mixed:
    """Both by the share that suits rows best which neither has seen; the trees where it is 0.

    Args:
        trees: of a probability.
        perceptron: of the same.
        shares: to choose from, by the Brier score.
        inputs: of those rows, [n, features].
        happened: in those rows, [n].
    """
    odds = _odds(trees, perceptron, inputs)

    def brier(share: float) -> float:
        return float(((_probability(_mean(*odds, share)) - happened) ** 2).mean())

    share = min(shares, key=brier)
    found = Mixture(trees, perceptron, share) if share else trees
    return found, _probability(_mean(*odds, share))


def mixed_median(  # noqa: PLR0913, PLR0917  (a weight more than `mixed`)
    trees: Trees, perceptron: PerceptronMedian, shares: Shares, inputs: Floats, answers: Floats,
    weights: Floats,
) -> Mixed:  # fmt: skip
    """Both by the share that suits rows best which neither has seen; the trees where it is 0.

    Args:
        trees: of a median.
        perceptron: of the same.
        shares: to choose from, by the mean absolute error.
        inputs: of those rows, [n, features].
        answers: of those rows, [n].
        weights: how often each row's error counts, [n].
    """
    said = trees.predict(inputs), perceptron.predict(inputs)

    def error(share: float) -> float:
        return float((np.abs(_mean(*said, share) - answers) * weights).mean())

    share = min(shares, key=error)
    return MedianMixture(trees, perceptron, share) if share else trees, _mean(*said, share)


def _odds(trees: Trees, perceptron: Perceptron, inputs: Floats) -> tuple[Floats, Floats]:
    bounded = np.clip(trees.predict(inputs), SURE, 1 - SURE)
    return np.log(bounded / (1 - bounded)), perceptron.log_odds(inputs)[:, 0]


def _mean(trees: Floats, perceptron: Floats, share: float) -> Floats:
    return (1 - share) * trees + share * perceptron


def _probability(odds: Floats) -> Floats:
    probability: Floats = 1 / (1 + np.exp(-odds))
    return probability

"""Trees and a perceptron that answer together: they err on different rows."""

from dataclasses import dataclass

import numpy as np

from ml.columns import Booleans, Floats
from ml.families import Trees
from ml.perceptron import Perceptron

SURE = 1e-6
"""Trees are taken to be no surer than this."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """The mean of both in log-odds, the perceptron's with weight ``share``."""

    trees: Trees
    perceptron: Perceptron
    share: float

    def predict(self, inputs: Floats) -> Floats:
        """See `ml.families.Trees`."""
        said = _log_odds(self.trees.predict(inputs)), self.perceptron.log_odds(inputs)
        return _mean(*said, self.share)


def mixed(trees: Trees, perceptron: Perceptron | None, share: float) -> Trees:
    """Both by that share; the trees alone where there is no perceptron or it has none."""
    return trees if perceptron is None or not share else Mixture(trees, perceptron, share)


def best_share(
    trees: Trees, perceptron: Perceptron, shares: tuple[float, ...], inputs: Floats,
    happened: Booleans,
) -> float:  # fmt: skip
    """The share that suits rows best which neither has seen.

    Args:
        trees: of a probability.
        perceptron: of the same.
        shares: to choose from, by the Brier score.
        inputs: of those rows, [n, features].
        happened: in those rows, [n].
    """
    said = _log_odds(trees.predict(inputs)), perceptron.log_odds(inputs)
    errors = {share: float(((_mean(*said, share) - happened) ** 2).mean()) for share in shares}
    return min(errors, key=errors.__getitem__)


def _log_odds(probability: Floats) -> Floats:
    bounded = np.clip(probability, SURE, 1 - SURE)
    odds: Floats = np.log(bounded / (1 - bounded))
    return odds


def _mean(trees: Floats, perceptron: Floats, share: float) -> Floats:
    probability: Floats = 1 / (1 + np.exp(-((1 - share) * trees + share * perceptron)))
    return probability

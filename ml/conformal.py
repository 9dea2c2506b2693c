"""Intervals that hold what they promise: split conformal prediction by bins.

Source: Vovk, Gammerman and Shafer 2005, Algorithmic learning in a random world, Mondrian conformal
predictors: the residuals of held-out rows give the interval, in each bin of its own.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ml.columns import Floats, Integers
from specs.ml import Interval


@dataclass(frozen=True, eq=False)
class ConformalInterval:
    """How far below and above an expected speed ratio the truth lies, by bin.

    A bin is one of the probability of congestion and one of the usual spread; ``spread_edges`` and
    ``probability_edges`` divide them. ``low``, ``high`` and ``middle``, the median, [probability
    bins, spread bins] are added to the expected speed ratio.
    """

    probability_edges: Floats
    spread_edges: Floats
    low: Floats
    high: Floats
    middle: Floats | None = None  # models of before have none

    @classmethod
    def fit(cls, probability: Floats, spread: Floats, residual: Floats, spec: Interval) -> Self:
        """Take the quantiles of held-out residuals.

        A bin with too few rows for its quantiles takes those of all rows.

        Args:
            probability: [n] of congestion, as forecast.
            spread: [n] usual spread of the speed ratio.
            residual: [n] observed less expected speed ratio.
            spec: the bins and the coverage.
        """
        left_out = 1 - spec.coverage
        below, above = left_out * spec.lower_share, 1 - left_out * (1 - spec.lower_share)
        shares = np.arange(1, spec.spread_bins) / spec.spread_bins
        edges = np.quantile(spread, shares) if len(spread) else np.zeros(len(shares))
        shape = (len(spec.probability_edges) + 1, spec.spread_bins)
        low, high, middle = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        made = cls(np.array(spec.probability_edges), edges, low, high, middle)
        bins = made._bins(probability, spread)
        enough = 2 / min(below, 1 - above)
        for bin_ in range(shape[0] * shape[1]):
            mine = residual[bins == bin_]
            taken = mine if len(mine) >= enough else residual
            low.flat[bin_], high.flat[bin_] = _quantiles(taken, below, above)
            middle.flat[bin_] = np.median(taken) if len(taken) else 0.0
        return made

    def at(self, probability: Floats, spread: Floats) -> tuple[Floats, Floats, Floats]:
        """What to add to each expected speed ratio [n]: for low end, middle and high end."""
        bins = self._bins(probability, spread)
        middle = np.zeros_like(self.low) if self.middle is None else self.middle
        return self.low.ravel()[bins], middle.ravel()[bins], self.high.ravel()[bins]

    def _bins(self, probability: Floats, spread: Floats) -> Integers:
        row = np.searchsorted(self.probability_edges, probability, side="right")
        column = np.searchsorted(self.spread_edges, spread, side="right")
        bins: Integers = row * (len(self.spread_edges) + 1) + column
        return bins


def _quantiles(residual: Floats, below: float, above: float) -> tuple[float, float]:
    """Outer order statistics, so that a new row is inside at least as often as promised."""
    if not len(residual):
        return 0.0, 0.0
    in_order, n = np.sort(residual), len(residual)
    low = max(int(np.floor(below * (n + 1))) - 1, 0)
    high = min(int(np.ceil(above * (n + 1))) - 1, n - 1)
    return float(in_order[low]), float(in_order[high])

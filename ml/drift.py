"""Drift: how far what the model sees has moved from what it was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from ml.columns import Booleans, Floats

BINS = 10
FLOOR = 1e-4  # an empty bin would be infinitely far


@dataclass(frozen=True, eq=False)
class Reference:
    """How the features lay in training: ``edges`` [features, 9] and ``shares`` [features, 11].

    The last share is of rows where a feature is unknown. ``congested_ratio`` is of the targets.
    """

    edges: Floats
    shares: Floats
    congested_ratio: float

    @classmethod
    def of(cls, inputs: Floats, congested: Booleans) -> Self:
        """Take the deciles of each feature of training rows ``inputs`` [n, features]."""
        count = inputs.shape[1]
        edges = np.zeros((count, BINS - 1))
        for place in range(count):
            known = inputs[~np.isnan(inputs[:, place]), place]
            if len(known):
                edges[place] = np.quantile(known, np.arange(1, BINS) / BINS)
        shares = np.stack([_shares(inputs[:, place], edges[place]) for place in range(count)])
        return cls(edges, shares, float(congested.mean()))

    def drift(self, inputs: Floats, names: tuple[str, ...]) -> Mapping[str, float]:
        """Population stability index of each feature of rows ``inputs`` [n, features], by name."""
        return {
            name: psi(self.shares[place], _shares(inputs[:, place], self.edges[place]))
            for place, name in enumerate(names)
        }

    def label_drift(self, congested: Booleans) -> float:
        """Population stability index of the label."""
        now, then = float(congested.mean()), self.congested_ratio
        return psi(np.array([then, 1 - then]), np.array([now, 1 - now]))


def psi(expected: Floats, found: Floats) -> float:
    """Population stability index of two lists of shares; 0 where they are the same.

    Source: Siddiqi 2006, Credit risk scorecards, system stability index; above 0.25 it is a shift.
    """
    then, now = np.maximum(expected, FLOOR), np.maximum(found, FLOOR)
    return float(((now - then) * np.log(now / then)).sum())


def _shares(values: Floats, edges: Floats) -> Floats:
    """Share of the values [n] in each bin, the unknown ones last."""
    unknown = np.isnan(values)
    place = np.where(unknown, BINS, np.searchsorted(edges, values, side="right"))
    counts = np.bincount(place, minlength=BINS + 1)
    return counts / max(len(values), 1)

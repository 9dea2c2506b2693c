"""How good forecasts are: the measures that training and the live outcomes share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.columns import Booleans, Floats
from specs.ml import Metric


def brier(probability: Floats, happened: Booleans) -> float | None:
    """Mean squared error of a probability, 0 at best; None without a row.

    Source: Brier 1950, Verification of forecasts expressed in terms of probability, the form for
    two outcomes.
    """
    if not len(happened):
        return None
    return float(np.mean((probability - happened) ** 2))


def auroc(score: Floats, happened: Booleans) -> float | None:
    """Chance that a row where it happened scores above one where it did not, ties half.

    None where all rows have one outcome.

    Source: Hanley and McNeil 1982, The meaning and use of the area under a ROC curve; computed
    from mid-ranks (Mann-Whitney).
    """
    positives = int(happened.sum())
    negatives = len(happened) - positives
    if not positives or not negatives:
        return None
    _, place, ties = np.unique(score, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(ties) - (ties - 1) / 2
    above = mid_rank[place][happened].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def mae(predicted: Floats, observed: Floats) -> float | None:
    """Mean absolute error, in the unit of its arguments; None without a row."""
    if not len(observed):
        return None
    return float(np.mean(np.abs(predicted - observed)))


def calibration_error(probability: Floats, happened: Booleans, bins: int = 10) -> float | None:
    """Mean gap between forecast and observed share over equal bins of the probability.

    Weighted by rows; None without a row.

    Source: Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning,
    expected calibration error.
    """
    if not len(happened):
        return None
    bin_of: NDArray[np.int64] = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gap = np.bincount(bin_of, weights=probability - happened, minlength=bins)
    return float(np.abs(gap).sum() / len(happened))


@dataclass(frozen=True)
class Forecast:
    """``probability`` [n] of congestion and ``speed_kmh`` [n]."""

    probability: Floats
    speed_kmh: Floats


@dataclass(frozen=True)
class Outcome:
    """What came: ``congested`` [n], ``speed_kmh`` [n], and ``congested_now`` [n] when asked."""

    congested: Booleans
    speed_kmh: Floats
    congested_now: Booleans


def _auroc_of_onsets(forecast: Forecast, outcome: Outcome) -> float | None:
    """AUROC where traffic still flows: persistence knows nothing there and has 0.5."""
    free = ~outcome.congested_now
    return auroc(forecast.probability[free], outcome.congested[free])


METRICS: dict[Metric, Callable[[Forecast, Outcome], float | None]] = {
    "brier": lambda forecast, outcome: brier(forecast.probability, outcome.congested),
    "auroc": lambda forecast, outcome: auroc(forecast.probability, outcome.congested),
    "auroc_onset": _auroc_of_onsets,
    "mae_kmh": lambda forecast, outcome: mae(forecast.speed_kmh, outcome.speed_kmh),
}

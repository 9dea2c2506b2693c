"""How good forecasts are: measures as sums over rows, so that days can be drawn again.

A measure adds its rows up, by day, and makes one figure of the sums; so the point estimate, a
bootstrap over days and the live quality share one definition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from ml.columns import Booleans, Floats, Integers
from specs.ml import Metric

MAX_LEVELS = 4096  # of a score that is ranked; a calibrated probability has fewer
RELIABILITY_BINS = 10
LOG_LOSS_FLOOR = 0.001


@dataclass(frozen=True)
class Forecast:
    """``probability`` [n] of congestion, ``speed_kmh`` [n] and the ends of its interval [n].

    A forecaster without an interval has none.
    """

    probability: Floats
    speed_kmh: Floats
    low_kmh: Floats | None = None
    high_kmh: Floats | None = None

    def __getitem__(self, which: Booleans | Integers) -> "Forecast":
        ends = (None if end is None else end[which] for end in (self.low_kmh, self.high_kmh))
        return Forecast(self.probability[which], self.speed_kmh[which], *ends)


@dataclass(frozen=True)
class Outcome:
    """What came: ``congested`` [n], ``speed_kmh`` [n], and ``congested_now`` [n] when asked."""

    congested: Booleans
    speed_kmh: Floats
    congested_now: Booleans

    def __len__(self) -> int:
        return len(self.congested)

    def __getitem__(self, which: Booleans | Integers) -> "Outcome":
        return Outcome(self.congested[which], self.speed_kmh[which], self.congested_now[which])


class Sums(NamedTuple):
    """Rows' places [n] among ``width`` sums, and what each adds there [n]."""

    place: Integers
    weight: Floats
    width: int

    def by(self, group: Integers, groups: int) -> Floats:
        """Sums [groups, width] of each group's rows."""
        cell = group * self.width + self.place
        added: Floats = np.bincount(cell, self.weight, groups * self.width).astype(np.float64)
        return added.reshape(groups, self.width)


class Measure(NamedTuple):
    """``sums`` of a forecast's rows, None where it gives none; ``figure`` of their total."""

    sums: Callable[[Forecast, Outcome], Sums | None]
    figure: Callable[[Floats], float | None]


Figure: TypeAlias = float | None


def measured(name: Metric, forecast: Forecast, outcome: Outcome) -> Figure:
    """One measure of a forecast; None where it is undefined."""
    total = added_up(name, forecast, outcome)
    return None if total is None else MEASURES[name].figure(total)


def added_up(name: Metric, forecast: Forecast, outcome: Outcome) -> Floats | None:
    """What the rows add to a measure [width]; None where the forecast gives none."""
    sums = MEASURES[name].sums(forecast, outcome)
    return None if sums is None else sums.by(np.zeros(len(sums.place), dtype=np.int64), 1)[0]


def _means(
    value: Callable[[Forecast, Outcome], Floats | None],
    rows: Callable[[Outcome], Booleans] | None = None,
) -> Callable[[Forecast, Outcome], Sums | None]:
    """Sums of a value of each row, and of the rows."""

    def sums(forecast: Forecast, outcome: Outcome) -> Sums | None:
        values = value(forecast, outcome)
        if values is None:
            return None
        counts = np.ones(len(values)) if rows is None else rows(outcome).astype(np.float64)
        place = np.repeat(np.array([[0], [1]]), len(values), axis=1)
        return Sums(place.ravel(), np.concatenate([values * counts, counts]), 2)

    return sums


def _mean(total: Floats) -> Figure:
    return float(total[0] / total[1]) if total[1] > 0 else None


def _root(total: Floats) -> Figure:
    mean = _mean(total)
    return None if mean is None else float(np.sqrt(mean))


def _brier(forecast: Forecast, outcome: Outcome) -> Floats:
    """Squared error of a probability.

    Source: Brier 1950, Verification of forecasts expressed in terms of probability, the form for
    two outcomes.
    """
    return (forecast.probability - outcome.congested) ** 2


def _log_loss(forecast: Forecast, outcome: Outcome) -> Floats:
    """Negative log-likelihood; one bold error of a baseline would else be infinitely bad."""
    probability = np.clip(forecast.probability, LOG_LOSS_FLOOR, 1 - LOG_LOSS_FLOOR)
    loss: Floats = -np.log(np.where(outcome.congested, probability, 1 - probability))
    return loss


def _error(forecast: Forecast, outcome: Outcome) -> Floats:
    return forecast.speed_kmh - outcome.speed_kmh


def _inside(forecast: Forecast, outcome: Outcome) -> Floats | None:
    """1 where the interval holds the observed speed."""
    if forecast.low_kmh is None or forecast.high_kmh is None:
        return None
    inside = (forecast.low_kmh <= outcome.speed_kmh) & (outcome.speed_kmh <= forecast.high_kmh)
    return inside.astype(np.float64)


def reliability_sums(forecast: Forecast, outcome: Outcome) -> Sums:
    """Sums of forecast less outcome by equal bins of the probability, and of the rows."""
    bins = RELIABILITY_BINS
    place = np.minimum((forecast.probability * bins).astype(np.int64), bins - 1)
    rows = np.full(len(outcome), bins)
    gaps = forecast.probability - outcome.congested
    return Sums(np.concatenate([place, rows]), np.concatenate([gaps, np.ones(len(rows))]), bins + 1)


def _calibration_error(total: Floats) -> Figure:
    """Mean gap between forecast and observed share, weighted by rows.

    Source: Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning,
    expected calibration error.
    """
    return float(np.abs(total[:-1]).sum() / total[-1]) if total[-1] > 0 else None


def levels(score: Floats) -> Integers:
    """Rank [n] of each score among the values there are; of very many, among their quantiles."""
    values, rank = np.unique(score, return_inverse=True)
    if len(values) <= MAX_LEVELS:
        return rank
    edges = np.unique(np.quantile(score, np.linspace(0, 1, MAX_LEVELS + 1)[1:-1]))
    coarse: Integers = np.searchsorted(edges, score, side="right")
    return coarse


def _ranked(forecast: Forecast, outcome: Outcome) -> Sums:
    """Rows by level of the probability, the congested ones after the others."""
    level = levels(forecast.probability)
    width = int(level.max()) + 1 if len(level) else 1
    return Sums(level + width * outcome.congested, np.ones(len(level)), 2 * width)


def _auroc(total: Floats) -> Figure:
    """Chance that a congested row scores above another, ties half.

    Source: Hanley and McNeil 1982, The meaning and use of the area under a ROC curve.
    """
    free, congested = np.split(total, 2)
    pairs = free.sum() * congested.sum()
    if not pairs:
        return None
    below = np.cumsum(free) - free / 2
    return float((congested * below).sum() / pairs)


def precision_recall(total: Floats) -> tuple[Floats, Floats]:
    """Precision and recall [levels], from the highest level down."""
    free, congested = (half[::-1] for half in np.split(total, 2))
    found, taken = np.cumsum(congested), np.cumsum(free + congested)
    precision = np.divide(found, taken, out=np.ones_like(found), where=taken > 0)
    recall: Floats = found / max(congested.sum(), 1.0)
    return precision, recall


def _auprc(total: Floats) -> Figure:
    """Average precision: the area below precision over recall, in steps.

    Source: Davis and Goadrich 2006, The relationship between precision-recall and ROC curves.
    """
    if not np.split(total, 2)[1].sum():
        return None
    precision, recall = precision_recall(total)
    return float((precision * np.diff(recall, prepend=0.0)).sum())


MEASURES: dict[Metric, Measure] = {
    "brier": Measure(_means(_brier), _mean),
    "auroc": Measure(_ranked, _auroc),
    "auprc": Measure(_ranked, _auprc),
    "log_loss": Measure(_means(_log_loss), _mean),
    "calibration_error": Measure(reliability_sums, _calibration_error),
    "mae_kmh": Measure(_means(lambda f, o: np.abs(_error(f, o))), _mean),
    "rmse_kmh": Measure(_means(lambda f, o: _error(f, o) ** 2), _root),
    "interval_coverage": Measure(_means(_inside), _mean),
    "interval_coverage_congested": Measure(_means(_inside, lambda o: o.congested_now), _mean),
}

"""An evaluation as plain data: what `--json` prints, the registry keeps and the HTML shows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ml.evaluate import MODEL, Estimate, Estimates, HorizonReport, Judged
from ml.measures import RELIABILITY_BINS, Forecast, Outcome, levels, precision_recall

CURVE_POINTS = 60


@dataclass(frozen=True)
class Cost:
    """What a model takes: one core's ``scoring_ms``, see `ml.train.scoring_ms`, and its training.

    ``training_seconds`` have passed on the clock and ``training_cpu_seconds`` on all cores
    together; None of a model that was there before.
    """

    scoring_ms: float
    training_seconds: float | None = None
    training_cpu_seconds: float | None = None

    def __str__(self) -> str:
        scoring = f"10,000 rows at every horizon take one core {self.scoring_ms:.0f} ms"
        if self.training_seconds is None:
            return scoring
        used = f"{self.training_cpu_seconds:.0f} s of CPU"
        return f"trained in {self.training_seconds:.0f} s, {used}; {scoring}"


@dataclass(frozen=True)
class EvaluatedTime:
    """What was evaluated: a source's targets from ``start`` to ``end`` (UTC, excluded).

    ``model`` says in words which model forecast, ``protocol`` holds the spec's rules.
    """

    source: str
    start: datetime
    end: datetime
    model: str
    protocol: Mapping[str, Any]
    cost: Cost


def plain(
    evaluated: EvaluatedTime,
    reports: Mapping[int, HorizonReport],
    judged: Mapping[int, Judged],
) -> dict[str, Any]:
    """All figures and curves by horizon, as JSON takes them."""
    return {
        "source": evaluated.source,
        "from": evaluated.start.isoformat(),
        "to": evaluated.end.isoformat(),
        "model": evaluated.model,
        "protocol": dict(evaluated.protocol),
        "cost": asdict(evaluated.cost),
        "horizons": {
            str(horizon): _horizon(report, judged[horizon]) for horizon, report in reports.items()
        },
    }


def _horizon(report: HorizonReport, judged: Judged) -> dict[str, Any]:
    model = judged.forecasts[MODEL]
    onset = np.flatnonzero(judged.onset)
    return {
        "row_count": report.row_count,
        "congested_ratio": report.congested_ratio,
        "onset_count": report.onset_count,
        "overall": _estimates(report.overall),
        "onset": _estimates(report.onset),
        **{f"by_{name}": [asdict(part) for part in parts] for name, parts in report.slices.items()},
        "reliability": _reliability(model, judged.outcome),
        "precision_recall": _curve(model, judged.outcome),
        "precision_recall_onset": _curve(model[onset], judged.outcome[onset]),
    }


def _estimates(estimates: Estimates) -> dict[str, dict[str, dict[str, float | None]]]:
    def fields(estimate: Estimate) -> dict[str, float | None]:
        return {"value": estimate.value, "low": estimate.low, "high": estimate.high}

    return {
        name: {metric: fields(estimate) for metric, estimate in metrics.items()}
        for name, metrics in estimates.items()
    }


def _reliability(forecast: Forecast, outcome: Outcome) -> list[dict[str, float]]:
    """Mean forecast and share of congested rows in equal bins of the probability."""
    place = np.minimum((forecast.probability * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    points = []
    for bin_ in np.unique(place).tolist():
        inside = place == bin_
        points.append(
            {
                "forecast": float(forecast.probability[inside].mean()),
                "observed": float(outcome.congested[inside].mean()),
                "row_count": int(inside.sum()),
            }
        )
    return points


def _curve(forecast: Forecast, outcome: Outcome) -> list[dict[str, float]]:
    """Precision over recall, thinned out."""
    if not outcome.congested.any():
        return []
    level = levels(forecast.probability)
    width = int(level.max()) + 1
    total = np.bincount(level + width * outcome.congested, minlength=2 * width).astype(float)
    precision, recall = precision_recall(total)
    few = np.unique(np.linspace(0, len(recall) - 1, CURVE_POINTS).astype(int))
    return [{"recall": float(recall[point]), "precision": float(precision[point])} for point in few]

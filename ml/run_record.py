"""What a training run leaves in the registry: flat names and texts, and how they are read back."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.train import Metrics, TrainedModel


def params(trained: "TrainedModel") -> dict[str, str]:
    """What a person compares runs by; the whole spec is in the artifact ``ml_spec.json``."""
    spec, split = trained.model.spec, trained.split
    counts = {
        f"{part}_rows_{horizon}min": str(count)
        for horizon, parts in trained.row_counts.items()
        for part, count in parts.items()
    }
    learners = {
        f"{kind}.{name}": str(value)
        for kind in ("classifier", "regressor", "perceptron")
        if (learner := getattr(spec.training, kind)) is not None
        for name, value in learner.model_dump().items()
    }
    return counts | learners | {
        "family": spec.training.family,
        "seed": str(spec.training.seed),
        "congested_below_ratio": str(spec.label.congested_below_ratio),
        "window_seconds": str(trained.model.window_seconds),
        "features": " ".join(feature.name for feature in spec.features),
        "train_from": split.train.isoformat(),
        "test_from": split.test.isoformat(),
        "test_to": split.end.isoformat(),
    }  # fmt: skip


def flat_metrics(metrics: "Metrics") -> dict[str, float]:
    """Metrics under names such as ``brier_15min_model``; undefined ones are left out."""
    return {
        f"{metric}_{horizon}min_{forecaster}": value
        for horizon, forecasters in metrics.items()
        for forecaster, measures in forecasters.items()
        for metric, value in measures.items()
        if value is not None
    }


def nested_metrics(flat: Mapping[str, float]) -> dict[int, dict[str, dict[str, float]]]:
    """The inverse of `flat_metrics`."""
    nested: dict[int, dict[str, dict[str, float]]] = {}
    for name, value in sorted(flat.items()):
        parts = re.fullmatch(r"(.+)_(\d+)min_(.+)", name)
        if parts is not None:
            metric, horizon, forecaster = parts.groups()
            nested.setdefault(int(horizon), {}).setdefault(forecaster, {})[metric] = value
    return nested

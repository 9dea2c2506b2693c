"""The model card: what a version is for, what it was made of and how well it does."""

from collections.abc import Mapping

from ml.evaluate import Estimate
from ml.train import TrainedModel

CARD_METRICS = ("brier", "auroc", "calibration_error", "mae_kmh", "interval_coverage")


def model_card(name: str, trained: TrainedModel, tags: Mapping[str, str]) -> str:
    """Markdown for whoever has to decide whether to trust the model.

    Source: Mitchell et al. 2019, Model cards for model reporting, its sections in brief.
    """
    spec, split = trained.model.spec, trained.split
    horizons = ", ".join(str(horizon) for horizon in spec.horizons_minutes)
    counts = "; ".join(
        f"{horizon} min: " + ", ".join(f"{count:,} {part}" for part, count in parts.items())
        for horizon, parts in trained.row_counts.items()
    )
    lines = [
        f"# {name}",
        "",
        f"Probability of congestion, expected (median) speed and an {spec.interval.coverage:.0%} "
        f"interval of each road segment, {horizons} minutes ahead. Congested means "
        f"{spec.label.column} < {spec.label.congested_below_ratio} x {spec.label.reference}.",
        "",
        "## Made of",
        "",
        f"- family {spec.training.family}, seed {spec.training.seed}, "
        f"{len(spec.features)} features",
        f"- windows from {split.train:%Y-%m-%d %H:%M} to {split.test:%Y-%m-%d %H:%M} UTC, "
        f"every {spec.training.calibrate_every_days}th day kept for calibration",
        f"- rows: {counts}",
        *(f"- {key}: {value}" for key, value in sorted(tags.items())),
        "",
        f"## How it did until {split.end:%Y-%m-%d %H:%M} UTC",
        "",
        "In brackets the interval of a bootstrap over whole days.",
        "",
        "| horizon | forecaster | " + " | ".join(CARD_METRICS) + " |",
        "|---|---|" + "---|" * len(CARD_METRICS),
    ]
    for horizon, report in trained.reports.items():
        for forecaster, estimates in report.overall.items():
            cells = [_cell(estimates[metric]) for metric in CARD_METRICS if metric in estimates]
            lines.append(f"| {horizon} min | {forecaster} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"10,000 rows at every horizon take one core {trained.scoring_ms:.0f} ms. When all traffic "
        f"is slower, {_share(trained.slower_is_likelier)} of the probabilities do not fall.",
        "",
        "## Limits",
        "",
        "- It has learnt from the cities and months above. On a segment it has never seen it reads "
        "the network's usual course, and is best retrained after a few weeks.",
        "- Targets without a true observation are in neither training nor test.",
        "- It knows nothing of road works, events or weather but what speeds tell.",
    ]
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _cell(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4f}"
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"

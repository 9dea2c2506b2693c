"""How a model's metrics are shown to a person."""

from collections.abc import Mapping

from rich.table import Table

from ml.train import Metrics


def metrics_table(metrics: Metrics) -> Table:
    """Lay out ``metrics[horizon_minutes][forecaster][metric]``: a row a metric that has a value.

    The Brier skill is one more: the share of persistence's Brier score that a forecaster takes
    away (Murphy 1973).
    """
    forecasters = sorted(
        {name for one in metrics.values() for name in one}, key=lambda name: (name != "model", name)
    )
    table = Table("horizon")
    table.add_column("metric", no_wrap=True)
    for forecaster in forecasters:
        table.add_column(forecaster.replace("_", " "), justify="right")
    for horizon, measured in sorted(metrics.items()):
        by_forecaster = {name: _with_skill(measured, name) for name in measured}
        names = sorted({
            name for one in by_forecaster.values() for name, value in one.items()
            if value is not None
        })  # fmt: skip
        for position, name in enumerate(names):
            values = [by_forecaster.get(forecaster, {}).get(name) for forecaster in forecasters]
            shown = ["-" if value is None else f"{value:.3f}" for value in values]
            label = f"{horizon} min" if position == 0 else ""
            table.add_row(label, name, *shown, end_section=position == len(names) - 1)
    return table


def _with_skill(
    measured: Mapping[str, Mapping[str, float | None]], forecaster: str
) -> dict[str, float | None]:
    own, reference = (measured.get(name, {}).get("brier") for name in (forecaster, "persistence"))
    skill = None if own is None or not reference else 1 - own / reference
    return {**measured[forecaster], "brier_skill": skill}

"""How a model's metrics are shown to a person."""

from rich.table import Table

from ml.train import Metrics


def metrics_table(metrics: Metrics) -> Table:
    """Lay out ``metrics[horizon_minutes][forecaster][metric]``, a row for each forecaster.

    The last column is the Brier skill: the share of persistence's Brier score that a forecaster
    takes away (Murphy 1973).
    """
    names = list(
        dict.fromkeys(name for one in metrics.values() for m in one.values() for name in m)
    )
    table = Table("horizon", "forecaster")
    for name in [*names, "brier_skill"]:
        table.add_column(name, justify="right")
    for horizon, forecasters in sorted(metrics.items()):
        reference = forecasters.get("persistence", {}).get("brier")
        order = sorted(forecasters, key=lambda name: (name != "model", name))
        for position, forecaster in enumerate(order):
            measured = forecasters[forecaster]
            own = measured.get("brier")
            skill = None if own is None or not reference else 1 - own / reference
            label = f"{horizon} min" if position == 0 else ""
            values = [*(measured.get(name) for name in names), skill]
            shown = ["-" if value is None else f"{value:.3f}" for value in values]
            table.add_row(label, forecaster, *shown, end_section=position == len(order) - 1)
    return table

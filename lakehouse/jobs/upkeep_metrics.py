"""What `traffic maintain` tells Prometheus: a file for the node exporter's textfile collector."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from lakehouse.jobs.maintenance import Upkeep
from specs.ops import OpsSpec

FIGURES = {"traffic_table_files": "files", "traffic_table_log_files": "log_files"}
"""Metric to the attribute of `Upkeep` that it shows."""


def write_metrics(spec: OpsSpec, done: Iterable[Upkeep], path: Path) -> None:
    """Write how many files each table has, under the names and helps of ops.yaml."""
    registry = CollectorRegistry()
    metrics = {metric.name: metric for metric in spec.metrics if metric.name in FIGURES}
    gauges = {
        name: Gauge(name, metric.help, metric.labels, registry=registry)
        for name, metric in metrics.items()
    }
    for upkeep in done:
        for name, gauge in gauges.items():
            gauge.labels(upkeep.table).set(getattr(upkeep, FIGURES[name]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)

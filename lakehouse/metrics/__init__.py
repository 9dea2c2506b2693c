"""What a process tells Prometheus: the metrics of ops.yaml, counted here and read over HTTP."""

from lakehouse.metrics.registry import MEDIA_TYPE, Metrics

__all__ = ["MEDIA_TYPE", "Metrics"]

"""What the API tells Prometheus about itself; names, help and buckets are in ops.yaml."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from specs.ops import OpsSpec

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ApiMetrics:
    """Latency by route, and how fresh the answers are."""

    def __init__(self, spec: OpsSpec) -> None:
        """Take the definitions of ``spec``."""
        self._registry = CollectorRegistry()
        self._specs = {metric.name: metric for metric in spec.metrics}
        latency = self._specs["traffic_api_request_duration_seconds"]
        self._latency = Histogram(
            latency.name, latency.help, latency.labels,
            buckets=latency.buckets, registry=self._registry,
        )  # fmt: skip

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Have the gauge ``name`` read at each scrape."""
        spec = self._specs[name]
        Gauge(spec.name, spec.help, registry=self._registry).set_function(read)

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._latency.labels(route, str(status)).observe(seconds)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)

"""The metrics of one process, as ops.yaml defines them; a name that it lacks is a KeyError."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import thread_time

import numpy.typing as npt
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from lakehouse.metrics.family import Family
from lakehouse.metrics.process import OwnProcess
from specs.ops import OpsSpec, Process

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(Collector):
    """Counts what a process does.

    What a process measures that ops.yaml has another one export is counted and told nobody: code
    that several processes share need not know where it runs. Without a ``process`` nothing is told.
    """

    def __init__(self, spec: OpsSpec, process: Process | None = None) -> None:
        """Take the definitions of ``spec``."""
        self._families = {one.name: Family(one, spec.labels) for one in spec.metrics}
        self._told = [one for one in self._families.values() if process in one.spec.by]
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self.cpu_seconds = 0.0
        self._own = OwnProcess()
        self.watch("traffic_process_memory_bytes", lambda: self._own.memory_bytes)
        self.watch("traffic_process_cpu_seconds_total", lambda: self._own.cpu_seconds)
        self.watch("traffic_metrics_cpu_seconds_total", lambda: self.cpu_seconds)

    def count(self, name: str, amount: float = 1, **labels: object) -> None:
        """Add ``amount`` to a counter."""
        self._families[name].add(amount, labels)

    def set(self, name: str, value: float, **labels: object) -> None:
        """Set a gauge, or a counter that was counted elsewhere."""
        self._families[name].set(value, labels)

    def replace(self, name: str, series: Iterable[tuple[float, Mapping[str, object]]]) -> None:
        """Set the series of a gauge, each a value and its labels; all others are gone."""
        self._families[name].replace(series)

    def observe(self, name: str, values: npt.ArrayLike, **labels: object) -> None:
        """Count one value or many in a histogram."""
        self._families[name].observe(values, labels)

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Have a metric without labels read at each scrape."""
        self._families[name].watch(read)

    def look_at_process(self) -> None:
        """See what the process takes of the machine; the next scrapes tell it."""
        with self.measured():
            self._own.look()

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Book the block's CPU time, of this thread, as the cost of measuring."""
        began = thread_time()
        try:
            yield
        finally:
            self.cpu_seconds += thread_time() - began

    def collect(self) -> Iterator[Metric]:
        """Every metric that this process exports."""
        for family in self._told:
            yield from family.collect()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        with self.measured():
            return generate_latest(self._registry)

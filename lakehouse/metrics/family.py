"""One metric of ops.yaml with all its series."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isnan

import numpy as np
import numpy.typing as npt
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from specs.ops import Label
from specs.ops import Metric as MetricSpec

OTHER = "other"
"""Stands for the values of a label past its `max`."""

Values = tuple[str, ...]
"""Of the labels, in the order of the spec."""


class Counted:
    """How many observations fell into each bucket, the last one without bound, and their sum."""

    def __init__(self, bounds: npt.NDArray[np.float64]) -> None:
        """Nothing yet."""
        self._bounds = bounds
        self._limits: list[float] = bounds.tolist()
        self._counts = np.zeros(len(bounds) + 1)
        self._sum = 0.0

    def add(self, values: npt.ArrayLike) -> None:
        """Count each of ``values``; a value on a bound is within it."""
        if isinstance(values, float) and not isnan(values):  # an array of one costs 25 us
            self._counts[bisect_left(self._limits, values)] += 1
            self._sum += values
            return
        found = np.atleast_1d(np.asarray(values, dtype=np.float64))
        places = np.searchsorted(self._bounds, found, side="left")
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(found.sum())

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative counts by upper bound, and the sum."""
        names = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(names, np.cumsum(self._counts).tolist(), strict=True)), self._sum


class Family:
    """All series of one metric; may be used from any thread."""

    def __init__(self, spec: MetricSpec, labels: Mapping[str, Label]) -> None:
        """Take name, labels and buckets from ``spec``, the bounds of its labels from ``labels``."""
        self.spec = spec
        self._max = tuple(labels[name].max for name in spec.labels)
        self._seen: tuple[set[str], ...] = tuple(set() for _ in spec.labels)
        self._bounds = np.array(spec.buckets, dtype=np.float64)
        self._numbers: dict[Values, float] = {}
        self._counted: dict[Values, Counted] = {}
        self._read: Callable[[], float] | None = None
        self._lock = threading.Lock()

    def _key(self, labels: Mapping[str, object]) -> Values:
        if len(labels) != len(self.spec.labels):
            raise KeyError(f"{self.spec.name} has labels {self.spec.labels}, not {tuple(labels)}")
        key = []
        for name, most, seen in zip(self.spec.labels, self._max, self._seen, strict=True):
            value = str(labels[name])
            if value not in seen:
                if len(seen) >= most:
                    value = OTHER
                else:
                    seen.add(value)
            key.append(value)
        return tuple(key)

    def add(self, amount: float, labels: Mapping[str, object]) -> None:
        """Add to a counter."""
        with self._lock:
            key = self._key(labels)
            self._numbers[key] = self._numbers.get(key, 0.0) + amount

    def set(self, value: float, labels: Mapping[str, object]) -> None:
        """Set a gauge, or a counter whose whole count somebody else keeps."""
        with self._lock:
            self._numbers[self._key(labels)] = value

    def replace(self, series: Iterable[tuple[float, Mapping[str, object]]]) -> None:
        """Set these series and forget all others."""
        with self._lock:
            self._numbers = {self._key(labels): value for value, labels in series}

    def observe(self, values: npt.ArrayLike, labels: Mapping[str, object]) -> None:
        """Count values in a histogram."""
        with self._lock:
            key = self._key(labels)
            if key not in self._counted:
                self._counted[key] = Counted(self._bounds)
            self._counted[key].add(values)

    def watch(self, read: Callable[[], float]) -> None:
        """Have the only series read at each scrape."""
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        name, text, labels = self.spec.name, self.spec.help, self.spec.labels
        numbers: dict[Values, float] = {} if self._read is None else {(): self._read()}
        with self._lock:
            numbers |= self._numbers
            counted = {key: one.told() for key, one in self._counted.items()}
        if self.spec.type == "histogram":
            histogram = HistogramMetricFamily(name, text, labels=labels)
            for key, (buckets, total) in counted.items():
                histogram.add_metric(key, buckets, total)
            yield histogram
            return
        kind = CounterMetricFamily if self.spec.type == "counter" else GaugeMetricFamily
        family = kind(name, text, labels=labels)
        for key, value in numbers.items():
            family.add_metric(key, value)
        yield family

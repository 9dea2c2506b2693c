"""`traffic bench growth`: freshness and cost as one thing grows and the others stay."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from benchmarks import freshness
from benchmarks.freshness import Shape
from benchmarks.live import LiveLoad, say
from benchmarks.report import Result

SECONDS_BETWEEN = 300.0
"""Readings of one segment in history: one a window, so that long histories are made soon."""


@dataclass(frozen=True)
class Point:
    """What one run meets."""

    rate: float
    segments: int
    days: float
    landers: int


@dataclass(frozen=True)
class Axes:
    """Values of each; the first of all together is the base."""

    rate: tuple[float, ...] = (2_000, 8_000)
    segments: tuple[int, ...] = (500, 2_000)
    days: tuple[float, ...] = (1, 3)
    landers: tuple[int, ...] = (1, 2)

    def points(self) -> Iterator[tuple[str, Point]]:
        """The base, then each axis alone; with the axis."""
        base = Point(self.rate[0], self.segments[0], self.days[0], self.landers[0])
        yield "base", base
        for axis in ("rate", "segments", "days", "landers"):
            for value in getattr(self, axis)[1:]:
                yield axis, replace(base, **{axis: value})


def measure(axes: Axes, seconds: float, seed: int) -> Result:
    """Run the live load at each point, everything anew.

    Raises:
        Unavailable: a server or a process failed, or gold did not catch up.
    """
    runs = []
    for axis, point in axes.points():
        say(f"{axis}: {point}")
        load = LiveLoad(point.rate, point.segments, seconds, seed)
        shape = Shape(
            partitions=point.landers, landers=point.landers, history=timedelta(days=point.days),
            seconds_between=SECONDS_BETWEEN,
        )  # fmt: skip
        found = freshness.measure(load, shape)
        say(f"{axis}: p50 {found['p50_seconds']}, p95 {found['p95_seconds']} s")
        runs.append({"axis": axis, **asdict(point), **found})
    return summary(runs)


def summary(runs: Sequence[Mapping[str, object]]) -> Result:
    """Each run beside the base: freshness is to stay, CPU to grow no faster than what is sent.

    Args:
        runs: the base first, each with what `freshness.measure` tells.
    """
    base = runs[0]
    return {
        "audit_ok": all(run["audit_ok"] for run in runs),
        "points": [
            {
                **{name: run[name] for name in ("axis", "rate", "segments", "days", "landers")},
                **{name: run[name] for name in FIGURES},
                "p95_to_base": _ratio(run, base, "p95_seconds"),
                "events_per_cpu_second_to_base": _ratio(run, base, "events_per_cpu_second"),
            }
            for run in runs
        ],
    }


FIGURES = (
    "p50_seconds", "p95_seconds", "p99_seconds", "events_per_second", "events_per_cpu_second",
    "hops", "cpu_seconds", "rss_bytes", "lag", "audit_ok",
)  # fmt: skip


def _ratio(run: Mapping[str, object], base: Mapping[str, object], name: str) -> float | None:
    one, other = run[name], base[name]
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return None
    return one / other

"""Windows, aggregations, KPIs, health and anomaly rules."""

from math import gcd
from typing import Literal, Self

from pydantic import Field, model_validator

from specs.model import Identifier, SpecModel


class Window(SpecModel):
    """Event-time window, half-open, aligned to the Unix epoch."""

    id: Identifier
    size_seconds: int = Field(gt=0)
    slide_seconds: int = Field(gt=0)

    @model_validator(mode="after")
    def _slides_evenly(self) -> Self:
        if self.size_seconds % self.slide_seconds:
            raise ValueError("size_seconds is not a multiple of slide_seconds")
        return self


class Expression(SpecModel):
    """A named SQL expression; ``source`` cites the literature."""

    name: Identifier
    expr: str = Field(min_length=1)
    unit: str | None = None
    source: str | None = None


class Aggregation(SpecModel):
    """An SQL aggregate whose values over parts of a window give its value over the whole."""

    name: Identifier
    function: Literal["count", "sum", "min", "max"]
    of: str | int

    @property
    def expr(self) -> str:
        """The aggregate over events."""
        return f"{self.function}({self.of})"

    @property
    def over_parts(self) -> str:
        """The aggregate over its own values of parts."""
        return f"{'sum' if self.function == 'count' else self.function}({self.name})"


class Histogram(SpecModel):
    """Equal bins of an integer measure from 0 on, kept per window; the last one is open."""

    measure: Identifier
    lowest: Identifier
    highest: Identifier
    bin_width: int = Field(gt=0)
    bins: int = Field(gt=1, le=96)


class Percentile(SpecModel):
    """A column that is read off the histogram."""

    name: Identifier
    quantile: float = Field(gt=0, lt=1)


class CongestionLevel(SpecModel):
    """A level and the bound of speed over free-flow speed below which it holds."""

    level: Identifier
    below: float | None = Field(default=None, gt=0)


class FlagRule(SpecModel):
    """A flag that is raised where the SQL condition ``when`` holds."""

    id: Identifier
    when: str = Field(min_length=1)
    description: str


class TransformSpec(SpecModel):
    """From bronze events to silver metrics and network KPIs."""

    watermark_seconds: int = Field(ge=0)
    windows: tuple[Window, ...] = Field(min_length=1)
    primary_window: Identifier
    observation: str
    measures: tuple[Expression, ...]
    aggregations: tuple[Aggregation, ...] = Field(min_length=1)
    histogram: Histogram
    percentiles: tuple[Percentile, ...]
    derived: tuple[Expression, ...]
    congestion_levels: tuple[CongestionLevel, ...] = Field(min_length=1)
    detector_health: tuple[FlagRule, ...]
    anomaly_rules: tuple[FlagRule, ...]
    network_kpis: tuple[Expression, ...]

    @property
    def primary(self) -> Window:
        """The window that features, scores and network KPIs stand on."""
        return next(window for window in self.windows if window.id == self.primary_window)

    def window(self, name: str) -> Window:
        """The window of that id.

        Raises:
            KeyError: there is none.
        """
        return {window.id: window for window in self.windows}[name]

    @property
    def pane_seconds(self) -> int:
        """Longest span that every window, wherever it starts, is cut into without a rest."""
        return gcd(*(window.slide_seconds for window in self.windows))

    @property
    def longest_seconds(self) -> int:
        """Size of the longest window."""
        return max(window.size_seconds for window in self.windows)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.primary_window not in {window.id for window in self.windows}:
            raise ValueError(f"primary_window {self.primary_window} is not a window")
        if self.primary.size_seconds != self.primary.slide_seconds:
            raise ValueError("the primary window is tumbling: its size equals its slide")
        if self.histogram.measure not in {measure.name for measure in self.measures}:
            raise ValueError(f"histogram measure {self.histogram.measure} is not a measure")
        made = {aggregation.name for aggregation in self.aggregations}
        if not {self.histogram.lowest, self.histogram.highest} <= made:
            raise ValueError("the histogram's lowest and highest are not aggregations")
        sizes = [window.size_seconds for window in self.windows]
        if len(sizes) != len(set(sizes)):
            raise ValueError(
                "two windows have the same size_seconds, which is part of silver's key"
            )
        *bounded, last = self.congestion_levels
        bounds = [level.below for level in bounded]
        if last.below is not None or None in bounds:
            raise ValueError("all congestion levels but the last have a bound, and the last none")
        if bounds != sorted(set(bounds), key=float):  # type: ignore[arg-type]
            raise ValueError("congestion levels are ordered by rising bound")
        return self

"""What a dashboard is made of: panels with their questions, data before any drawing."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["graph", "figure", "table", "map"]


@dataclass(frozen=True)
class Prom:
    """A question to Prometheus; ``legend`` names each series by its labels, as ``{{label}}``."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Sql:
    """A question to Trino. A graph needs a column ``time``; its other columns are lines."""

    text: str


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: what is shown.
        description: what it means, and what is good.
        unit: Grafana's id of the unit of its values; ``none`` for plain numbers.
        questions: of one kind, at least one.
        kind: how it is drawn.
        width: of 24 columns.
        limits: value from which it is worth a look, and from which it is bad; None for neither.
        is_low_bad: the limits are lower ones.
    """

    title: str
    description: str
    unit: str
    questions: tuple[Prom, ...] | tuple[Sql, ...]
    kind: Kind = "graph"
    width: int = 8
    limits: tuple[float, float] | None = None
    is_low_bad: bool = False

    @property
    def height(self) -> int:
        """In rows of Grafana's grid."""
        return {"figure": 4, "map": 14}.get(self.kind, 8)


@dataclass(frozen=True)
class Board:
    """One dashboard: rows of panels, each row as high as its highest panel."""

    uid: str
    title: str
    description: str
    since: str
    """Beginning of the time that is shown at first, such as ``now-6h``."""

    rows: tuple[tuple[Panel, ...], ...]


def quantile(share: float, name: str, *by: str, where: str = "") -> str:
    """PromQL for a quantile of a histogram, for each combination of the labels ``by``."""
    labels = ", ".join((*by, "le"))
    return (
        f"histogram_quantile({share:g}, sum by ({labels})"
        f" (rate({name}_bucket{where}[$__rate_interval])))"
    )


def rate(name: str, *by: str, where: str = "") -> str:
    """PromQL for a counter's growth a second, for each combination of the labels ``by``."""
    grown = f"rate({name}{where}[$__rate_interval])"
    return f"sum by ({', '.join(by)}) ({grown})" if by else f"sum({grown})"

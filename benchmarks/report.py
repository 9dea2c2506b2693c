"""What a measurement says: spreads, and the goals of specs/system.yaml held against it."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from lakehouse.audit import Check
from specs.loader import load_specs
from specs.system import Sla

Result = dict[str, Any]
BENCHES_WITHOUT_BOOKS = {"api", "help"}
"""They send nothing through Kafka."""


@dataclass(frozen=True)
class Goal:
    """One service-level agreement and what was measured."""

    id: str
    metric: str
    at_least: float | None
    at_most: float | None
    unit: str
    value: float | None
    met: bool


@dataclass(frozen=True)
class Spread:
    """One figure over several repetitions."""

    median: float
    lowest: float
    highest: float


def spread(values: Sequence[float]) -> Spread:
    """Median and extremes of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Upper:
    """Where many figures lie, seen from above."""

    median: float
    p95: float
    highest: float


def upper(values: Sequence[float]) -> Upper:
    """Median, 95th percentile and the highest of at least one value."""
    return Upper(quantile(values, 0.5), quantile(values, 0.95), max(values))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of at least one value does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def goals(slas: Sequence[Sla], bench: str, result: Mapping[str, Any]) -> list[Goal]:
    """Hold ``result`` against what system.yaml promises of its metrics.

    Args:
        slas: of system.yaml.
        bench: the command; a promise that another bench measures is left out, one of `traffic
            audit` stays, as every bench that sends readings balances its books.
        result: figures by metric; a promised one that is absent or None is a goal missed.
    """
    found = []
    for sla in slas:
        if sla.measured_by not in {f"traffic bench {bench}", "traffic audit"}:
            continue
        if sla.measured_by == "traffic audit" and bench in BENCHES_WITHOUT_BOOKS:
            continue
        value = result.get(sla.metric)
        met = (
            value is not None
            and (sla.at_least is None or value >= sla.at_least)
            and (sla.at_most is None or value <= sla.at_most)
        )
        number = None if value is None else float(value)
        found.append(Goal(sla.id, sla.metric, sla.at_least, sla.at_most, sla.unit, number, met))
    return found


def audited(checks: Sequence[Check]) -> Result:
    """The books as part of a result: whether they balance, and each equation."""
    rows = [{**asdict(check), "is_ok": check.is_ok} for check in checks]
    return {"audit_ok": all(check.is_ok for check in checks), "checks": rows}


def rounded(value: Any) -> Any:
    """``value`` with its fractions cut to four digits, all the way down."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def finish(bench: str, result: Result, *, as_json: bool) -> int:
    """Print a measurement with its goals; returns the exit code, 1 where the books are off.

    A goal missed does not fail the run: machines differ.
    """
    show(result, goals(load_specs().system.slas, bench, result), as_json=as_json)
    return 0 if result["audit_ok"] else 1


def show(result: Result, found: Sequence[Goal], *, as_json: bool) -> None:
    """Print a measurement: one JSON object, or tables."""
    if as_json:
        print(json.dumps(rounded({**result, "goals": [asdict(goal) for goal in found]})))
        return
    console = Console()
    for check in result.get("checks", ()):
        if not check["is_ok"]:
            console.print(
                f"[red]OFF[/] {check['name']}: {check['expected']:,} = {check['found']:,}"
            )
    console.print(_figures(result))
    console.print(_goals(found))


def _figures(result: Result) -> Table:
    table = Table("figure", "value", show_header=False)
    for name, value in result.items():
        if isinstance(value, Mapping):
            for part, number in value.items():
                table.add_row(f"{name} {part}", _text(number))
        elif not isinstance(value, list):
            table.add_row(name, _text(value))
    return table


def _goals(found: Sequence[Goal]) -> Table:
    table = Table("goal", "bound", "measured", "met")
    for goal in found:
        bound = f"≥ {goal.at_least:,g}" if goal.at_least is not None else f"≤ {goal.at_most:,g}"
        mark = "[green]yes[/]" if goal.met else "[red]no[/]"
        table.add_row(goal.id, f"{bound} {goal.unit}", _text(goal.value), mark)
    return table


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

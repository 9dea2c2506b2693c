"""Prometheus' alerting rules, made of the alerts and SLAs of the specs."""

from typing import Any

from specs.errors import SpecError
from specs.loader import Specs

RUNBOOK = "docs/operations.md"


def alert_name(alert_id: str) -> str:
    """As Prometheus writes it: ``consumer_lag`` is ``ConsumerLag``."""
    return "".join(word.capitalize() for word in alert_id.split("_"))


def alert_rules(specs: Specs) -> dict[str, Any]:
    """The rules file, one rule an alert.

    Raises:
        SpecError: an alert names an SLA that there is not, or a number that nobody gives.
    """
    interval = f"{specs.ops.monitoring.evaluate_seconds}s"
    rules = [_rule(specs, index) for index in range(len(specs.ops.alerts))]
    return {"groups": [{"name": "traffic", "interval": interval, "rules": rules}]}


def _rule(specs: Specs, index: int) -> dict[str, Any]:
    alert = specs.ops.alerts[index]
    try:
        goal = specs.system.sla(alert.sla).at_most if alert.sla else None
        expression = alert.promql(goal)
    except (KeyError, StopIteration) as error:
        raise SpecError(f"ops.yaml: alert {alert.id}: {error!r}") from error
    return {
        "alert": alert_name(alert.id),
        "expr": expression,
        "for": f"{alert.for_seconds}s",
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "runbook": f"{RUNBOOK}#{alert.id}"},
    }

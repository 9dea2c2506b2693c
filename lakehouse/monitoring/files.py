"""The files of ``deploy/`` that are made of the specs."""

import json
from collections.abc import Mapping
from typing import Any, get_args

import yaml

from lakehouse.monitoring import configuration
from lakehouse.monitoring.rules import alert_rules
from specs.loader import Specs
from specs.ops import Process

MADE_BY = "# Made of specs/ by `traffic specs build`; edit there.\n"
WEBHOOK = "http://alerts:8080/"
"""Whoever runs the containers puts the address of the on-call rota here, or a proxy behind it."""


METRICS_PORT = 9100
"""Of each container of ours; Prometheus finds it under the name of its process."""


def _text(content: Mapping[str, Any]) -> str:
    return MADE_BY + yaml.safe_dump(content, sort_keys=False, width=1000)


def _json(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"


def _targets() -> list[dict[str, Any]]:
    return [
        {"targets": [f"{process}:{METRICS_PORT}"], "labels": {"job": process}}
        for process in get_args(Process)
    ]


def made(specs: Specs) -> dict[str, str]:
    """Text by path below ``deploy/``."""
    return {
        "prometheus/rules.yml": _text(alert_rules(specs)),
        "prometheus/prometheus.yml": _text(
            configuration.prometheus(
                specs, targets="/etc/prometheus/targets/*.json",
                rules="/etc/prometheus/rules.yml",
                alertmanagers="/etc/prometheus/alertmanagers.json",
            )
        ),
        "prometheus/targets/traffic.json": _json(_targets()),
        "prometheus/alertmanagers.json": _json([{"targets": ["alertmanager:9093"]}]),
        "alertmanager/alertmanager.yml": _text(configuration.alertmanager(specs, webhook=WEBHOOK)),
    }  # fmt: skip

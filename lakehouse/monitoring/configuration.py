"""Configuration files of Prometheus and Alertmanager."""

from typing import Any

from specs.loader import Specs


def prometheus(specs: Specs, *, targets: str, rules: str, alertmanagers: str) -> dict[str, Any]:
    """Prometheus' configuration.

    Args:
        specs: how often it looks.
        targets: files that say where the processes answer, a pattern.
        rules: file of the alerting rules.
        alertmanagers: file that says where Alertmanager listens.
    """
    monitoring = specs.ops.monitoring
    scrape = f"{monitoring.scrape_seconds}s"
    return {
        "global": {
            "scrape_interval": scrape,
            "scrape_timeout": scrape,
            "evaluation_interval": f"{monitoring.evaluate_seconds}s",
        },
        "rule_files": [rules],
        "alerting": {
            "alertmanagers": [
                {"file_sd_configs": [{"files": [alertmanagers], "refresh_interval": scrape}]}
            ]
        },
        "scrape_configs": [
            {
                "job_name": "traffic",  # each target's file names its process as label `job`
                "honor_labels": True,  # a metric's own `job` says what committed: land, stream, ...
                "file_sd_configs": [{"files": [targets], "refresh_interval": scrape}],
            }
        ],
    }


def alertmanager(specs: Specs, *, webhook: str | None) -> dict[str, Any]:
    """Alertmanager's configuration.

    Args:
        specs: how alerts are gathered.
        webhook: address that is told of alerts; None where nobody is.
    """
    monitoring = specs.ops.monitoring
    told = [{"url": webhook, "send_resolved": True}] if webhook else []
    return {
        "route": {
            "receiver": "on-call",
            "group_by": ["alertname"],
            "group_wait": f"{monitoring.group_wait_seconds}s",
            "group_interval": f"{monitoring.group_interval_seconds}s",
            "repeat_interval": f"{monitoring.repeat_hours}h",
            "routes": [
                {"receiver": "on-call", "matchers": ['severity="page"']},
                {"receiver": "tickets", "matchers": ['severity="ticket"']},
            ],
        },
        "receivers": [
            {"name": "on-call", "webhook_configs": told},
            {"name": "tickets", "webhook_configs": told},
        ],
        # A stuck stream is late too: one call is enough.
        "inhibit_rules": [
            {
                "source_matchers": ['alertname=~"LanderDown|StreamDown|GateFailed"'],
                "target_matchers": ['alertname=~"ConsumerLag|StreamStuck|FreshnessBurning.*"'],
            }
        ],
    }

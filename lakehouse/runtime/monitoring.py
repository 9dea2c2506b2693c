"""Prometheus, Alertmanager and the exporter of the lakehouse's own metrics."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from lakehouse.monitoring import configuration
from lakehouse.monitoring.rules import alert_rules
from lakehouse.runtime.server import LOOPBACK, Launch, Server, answers_ok
from lakehouse.settings import Settings
from specs.errors import Unavailable
from specs.loader import Specs, load_specs

PROBE_SECONDS = 5.0
INSTALL = "on Debian and Ubuntu: `apt-get install prometheus prometheus-alertmanager`"


def _program(*names: str) -> str:
    """Path of the first of these programs that is installed.

    Raises:
        Unavailable: none is.
    """
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    raise Unavailable(f"{names[0]} is not installed; {INSTALL}")


def _folder(settings: Settings, name: str) -> Path:
    folder = settings.home / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _alertmanagers(settings: Settings) -> Path:
    """File that tells Prometheus where Alertmanager listens."""
    return _folder(settings, "alertmanager") / "targets.json"


def _prepare_prometheus(specs: Callable[[], Specs], settings: Settings, port: int) -> Launch:
    folder, found = _folder(settings, "prometheus"), specs()
    settings.targets.mkdir(parents=True, exist_ok=True)  # it is watched from the start
    rules = folder / "rules.yml"
    rules.write_text(yaml.safe_dump(alert_rules(found)))
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration.prometheus(
        found, targets=str(settings.targets / "*.json"), rules=str(rules),
        alertmanagers=str(_alertmanagers(settings)),
    )))  # fmt: skip
    return Launch(
        (
            _program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--storage.tsdb.retention.time={found.ops.monitoring.keep_days}d",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--log.level=warn",
        ),
        os.environ,
    )


def _prepare_alertmanager(specs: Callable[[], Specs], settings: Settings, port: int) -> Launch:
    folder = _folder(settings, "alertmanager")
    config = folder / "alertmanager.yml"
    config.touch(mode=0o600)  # a webhook's address may hold a secret
    webhook = settings.alert_webhook.get_secret_value() if settings.alert_webhook else None
    config.write_text(yaml.safe_dump(configuration.alertmanager(specs(), webhook=webhook)))
    _alertmanagers(settings).write_text(json.dumps([{"targets": [f"{LOOPBACK}:{port}"]}]))
    return Launch(
        (
            _program("prometheus-alertmanager", "alertmanager"),
            f"--config.file={config}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--cluster.listen-address=",  # one of its kind
            "--log.level=warn",
        ),
        os.environ,
    )


def _prepare_exporter(settings: Settings, port: int) -> Launch:
    return Launch(
        (sys.executable, "-P", "-m", "lakehouse", "metrics", "serve"),
        settings.environment() | {"TRAFFIC_METRICS_PORT": str(port)},
    )


def _answers(path: str, port: int) -> bool:
    return answers_ok(port, path, PROBE_SECONDS)


EXPORTER = Server(
    name="exporter",
    endpoint=f"http://{LOOPBACK}:{{port}}/metrics",
    port=lambda settings: settings.exporter_port,
    prepare=_prepare_exporter,
    answers=partial(_answers, "/metrics"),
)


def alerting(specs: Callable[[], Specs]) -> tuple[Server, Server]:
    """Alertmanager and Prometheus, run as ``specs()`` say."""
    return (
        Server(
            name="alertmanager",
            endpoint=f"http://{LOOPBACK}:{{port}}",
            port=lambda settings: settings.alertmanager_port,
            prepare=partial(_prepare_alertmanager, specs),
            answers=partial(_answers, "/-/ready"),
        ),
        Server(
            name="prometheus",
            endpoint=f"http://{LOOPBACK}:{{port}}",
            port=lambda settings: settings.prometheus_port,
            prepare=partial(_prepare_prometheus, specs),
            answers=partial(_answers, "/-/ready"),
        ),
    )


MONITORING: tuple[Server, ...] = (EXPORTER, *alerting(load_specs))
"""What ``--with monitoring`` starts."""

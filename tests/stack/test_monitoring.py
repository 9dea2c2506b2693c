"""The lag alert on real servers: the lander stops, a webhook is told; it starts, it is told again.

Prometheus and Alertmanager are run by the specs with shorter intervals; nothing else differs from
`traffic up --with monitoring`.
"""

import json
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ingestion.lander import GROUP
from ingestion.topics import TopicAdmin
from lakehouse.metrics.scrape import scrape
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.monitoring import EXPORTER, alerting
from lakehouse.runtime.stack import down, endpoints, up
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import Specs
from tests.edited_specs import edited_specs
from tests.programs import program
from tests.scraped import names_told

pytestmark = pytest.mark.stack

SEGMENTS, READINGS = 20, 400
PATIENCE_SECONDS = 180.0
SHORTER = (
    ("ops.yaml", "scrape_seconds: 5 ", "scrape_seconds: 1 "),
    ("ops.yaml", "evaluate_seconds: 5 ", "evaluate_seconds: 1 "),
    ("ops.yaml", "group_wait_seconds: 10 ", "group_wait_seconds: 0 "),
    ("ops.yaml", "group_interval_seconds: 60 ", "group_interval_seconds: 1 "),
    ("ops.yaml", "bound: 20000                 # ten seconds of the load that the freshness goal"
     " is for\n    for_seconds: 60", "bound: 100\n    for_seconds: 1"),
    # it would silence the alert on lag, which it explains
    ("ops.yaml", "- id: lander_down\n    bound: 1\n    for_seconds: 60",
     "- id: lander_down\n    bound: 1\n    for_seconds: 3600"),
)  # fmt: skip


class OnCall:
    """A webhook that remembers what Alertmanager told it."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        heard = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                heard.extend(json.loads(self.rfile.read(length))["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def heard(self, alert: str, status: str) -> list[dict[str, Any]]:
        return [
            one for one in self.told
            if (one["labels"]["alertname"], one["status"]) == (alert, status)
        ]  # fmt: skip

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def on_call() -> Iterator[OnCall]:
    made = OnCall()
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path, on_call: OnCall) -> Iterator[Settings]:
    for name in ("prometheus", "prometheus-alertmanager"):
        program(name)
    specs = edited_specs(tmp_path, *SHORTER)
    settings = Settings(
        home=tmp_path / "home", kafka_port=0, prometheus_port=0, alertmanager_port=0,
        exporter_port=0, alert_webhook=on_call.url,
    )  # fmt: skip
    try:
        up(settings, [KAFKA, EXPORTER, *alerting(lambda: specs)])
        yield settings
    finally:
        down(settings)


def traffic(settings: Settings, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lakehouse", *arguments], env=settings.environment(),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(settings: Settings, *arguments: str) -> None:
    process = traffic(settings, *arguments)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0


def produce(settings: Settings) -> None:
    """Readings, of which one in ten is malformed."""
    run(
        settings, "produce", "simulate", "--segments", str(SEGMENTS), "--rate", str(READINGS),
        "--seconds", "1", "--unpaced", "--malformed", "0.1",
    )  # fmt: skip


@contextmanager
def lander(settings: Settings) -> Iterator[None]:
    process = traffic(settings, "land")
    try:
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0


def until(is_so: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not after {PATIENCE_SECONDS:g} s"
        time.sleep(0.2)


def reckoned(settings: Settings, promql: str) -> list[float]:
    """What Prometheus says now."""
    address = endpoints(settings.home)["prometheus"]
    text = scrape(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': promql})}")
    return [float(one["value"][1]) for one in json.loads(text)["data"]["result"]]


def test_a_stopped_lander_is_told_to_the_webhook_and_so_is_its_return(
    settings: Settings, on_call: OnCall, specs: Specs
) -> None:
    run(settings, "topic", "create")
    run(settings, "segment", "load", "simulator", "--segments", str(SEGMENTS))
    lag = "sum(traffic_consumer_lag_records)"
    written = 'sum(traffic_rows_written_total{job="land"})'
    with lander(settings):
        produce(settings)
        until(lambda: reckoned(settings, f"{written} > 0"), "Prometheus hears of landed rows")
        until(lambda: reckoned(settings, lag) == [0], "the lander has landed all")
        told = names_told(settings.targets, "lander")
        assert told == {one.name for one in specs.ops.metrics if "lander" in one.by}
        (counted,) = reckoned(settings, written)
    assert not list(settings.targets.glob("lander-*.json"))
    until(lambda: reckoned(settings, 'ALERTS{alertname="ConsumerLag"}') == [], "nothing is amiss")
    if on_call.heard("ConsumerLag", "firing"):  # on a slow machine the first batch was late
        until(lambda: on_call.heard("ConsumerLag", "resolved"), "the webhook is told of its end")
    on_call.told.clear()
    lake = Lake(settings.lake, specs)
    names = ("bronze.traffic_event", "bronze.dead_letter")
    assert counted == sum(lake.table(name).dataset().count_rows() for name in names) > READINGS

    produce(settings)
    until(lambda: on_call.heard("ConsumerLag", "firing"), "the webhook is told of the lag")
    (behind,) = reckoned(settings, lag)
    assert behind > READINGS
    with TopicAdmin(endpoints(settings.home)["kafka"], specs.ops.retries.unavailable) as admin:
        assert sum(one.lag for one in admin.lag(GROUP, "traffic_event")) == behind
    first = on_call.heard("ConsumerLag", "firing")[0]
    assert first["labels"]["severity"] == "page"
    assert first["annotations"]["runbook"] == "docs/operations.md#consumer_lag"
    assert on_call.heard("ConsumerLag", "resolved") == []

    with lander(settings):
        until(lambda: on_call.heard("ConsumerLag", "resolved"), "the webhook is told of the end")
    assert reckoned(settings, lag) == [0]

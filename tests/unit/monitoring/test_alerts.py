"""Every alert fires when it should and is quiet when it should, by Prometheus' own reckoning."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from lakehouse.artifacts import ROOT
from lakehouse.as_of import query
from lakehouse.monitoring.configuration import alertmanager
from lakehouse.monitoring.files import made
from lakehouse.monitoring.rules import RUNBOOK, alert_name, alert_rules
from lakehouse.tables import Lake
from specs.errors import TrafficError
from specs.loader import Specs
from specs.ops import Alert
from tests.programs import program

pytestmark = pytest.mark.slow

Series = dict[str, str]
"""Prometheus' notation: `0+5x10` is 0, 5, ... 50, a value a minute."""


@dataclass(frozen=True)
class Case:
    """Series with which an alert fires after so many minutes, and others with which it does not."""

    fires: Series
    quiet: Series
    minutes: int = 30
    labels: dict[str, str] = field(default_factory=dict)


def freshness(within: int, of: int, minutes: int) -> Series:
    """So many of so many readings a minute reach gold within the goal."""
    name = "traffic_freshness_seconds"
    return {
        f'{name}_bucket{{layer="gold",le="2.0",job="stream"}}': f"0+{within}x{minutes}",
        f'{name}_count{{layer="gold",job="stream"}}': f"0+{of}x{minutes}",
        f'{name}_bucket{{layer="bronze",le="2.0",job="lander"}}': f"0+{of}x{minutes}",
        f'{name}_count{{layer="bronze",job="lander"}}': f"0+{of}x{minutes}",
    }


def landed(good: int, dead: int) -> Series:
    name = "traffic_rows_written_total"
    return {
        f'{name}{{table="bronze.traffic_event",job="land"}}': f"0+{good}x60",
        f'{name}{{table="bronze.dead_letter",job="land"}}': f"0+{dead}x60",
        f'{name}{{table="silver.segment_metric",job="stream"}}': "0+1000x60",
    }


def live(model: float, persistence: float, outcomes: int, gap: float = 0.01) -> Series:
    label = 'horizon_minutes="15"'
    return {
        f'traffic_live_brier_score{{{label},forecaster="model"}}': f"{model}x60",
        f'traffic_live_brier_score{{{label},forecaster="persistence"}}': f"{persistence}x60",
        f"traffic_live_outcomes{{{label}}}": f"{outcomes}x60",
        f"traffic_live_calibration_error{{{label}}}": f"{gap}x60",
    }


def api(within: int, of: int, failed: int = 0) -> Series:
    name = "traffic_api_request_duration_seconds"
    return {
        f'{name}_bucket{{route="/congestion",status="200",le="0.025"}}': f"0+{within}x60",
        f'{name}_count{{route="/congestion",status="200"}}': f"0+{of - failed}x60",
        f'{name}_count{{route="/congestion",status="503"}}': f"0+{failed}x60",
    }


HORIZON = {"horizon_minutes": "15"}
RULE = {"table": "silver.segment_metric", "rule": "key_unique"}
FAILURES = 'traffic_gate_failures_total{table="silver.segment_metric",rule="key_unique"}'
LAG = 'traffic_consumer_lag_records{{topic="traffic_event",partition="{}"}}'
DRIFT = 'traffic_feature_drift{{feature="{}"}}'
SEEN = 'traffic_exporter_success_timestamp_seconds{part="kafka"}'

CASES: dict[str, Case] = {
    "freshness_burning_fast": Case(
        fires=freshness(20, 100, 90), quiet=freshness(40, 100, 90), minutes=80,
    ),
    "freshness_burning_slowly": Case(
        fires=freshness(60, 100, 420), quiet=freshness(90, 100, 420), minutes=400,
    ),
    "consumer_lag": Case(
        fires={LAG.format(0): "15000x60", LAG.format(1): "6000x60"},
        quiet={LAG.format(0): "15000x60", LAG.format(1): "4000x60"},
        labels={"topic": "traffic_event"},
    ),
    "stream_stuck": Case(
        fires={"traffic_stream_lag_seconds": "0+60x60"},
        quiet={"traffic_stream_lag_seconds": "0 2 70 1 2 70 1 2 1x60"},
    ),
    "gate_failed": Case(
        fires={FAILURES: "3x20 4x40"}, quiet={FAILURES: "4x60"}, labels=RULE,
    ),
    "dead_letter_ratio": Case(fires=landed(800, 200), quiet=landed(950, 50)),
    "dead_letters_waiting": Case(
        fires={"traffic_dead_letters_unresolved": "20000x90"},
        quiet={"traffic_dead_letters_unresolved": "9000x90"}, minutes=80,
    ),
    "model_stale": Case(
        fires={"traffic_model_created_timestamp_seconds": "-1300000x90"},
        quiet={"traffic_model_created_timestamp_seconds": "-600000x90"}, minutes=80,
    ),
    "model_absent": Case(
        fires={"traffic_model_version": "0x60"}, quiet={"traffic_model_version": "3x60"},
    ),
    "model_worse_than_persistence": Case(
        fires=live(0.09, 0.08, 5000), quiet=live(0.05, 0.08, 5000) , minutes=40,
        labels=HORIZON,
    ),
    "model_drift": Case(
        fires=live(0.05, 0.08, 5000, gap=0.2), quiet=live(0.05, 0.08, 5000, gap=0.05), minutes=40,
        labels=HORIZON,
    ),
    "model_rolled_back": Case(
        fires={"traffic_model_rollbacks_total": "0x10 1x50"},
        quiet={"traffic_model_rollbacks_total": "1x60"},
    ),
    "feature_drift": Case(
        fires={DRIFT.format("speed_ratio"): "0.3x200", DRIFT.format("age_minutes"): "0.1x200"},
        quiet={DRIFT.format("speed_ratio"): "0.3x60 0.2x140"},
        minutes=180, labels={"feature": "speed_ratio"},
    ),
    "sensor_outage": Case(
        fires={'traffic_segments_silent{source="nyc_dot"}': "70x60",
               'traffic_segments{source="nyc_dot"}': "138x60"},
        quiet={'traffic_segments_silent{source="nyc_dot"}': "12x60",
               'traffic_segments{source="nyc_dot"}': "138x60"},
        labels={"source": "nyc_dot"},
    ),
    "disk_filling": Case(
        fires={"traffic_disk_free_bytes": "100000000000-1000000000x60",
               "traffic_disk_size_bytes": "500000000000x60"},
        quiet={"traffic_disk_free_bytes": "100000000000-10000000x60",
               "traffic_disk_size_bytes": "500000000000x60"}, minutes=50,
    ),
    "table_crowded": Case(
        fires={'traffic_table_files{table="silver.segment_metric"}': "6000x90"},
        quiet={'traffic_table_files{table="silver.segment_metric"}': "600x90",
               'traffic_table_log_files{table="silver.segment_metric"}': "900x90"},
        minutes=80, labels={"table": "silver.segment_metric"},
    ),
    "lander_down": Case(
        fires={'up{job="lander",instance="a"}': "1x10 0x50"},
        quiet={'up{job="lander",instance="a"}': "0x60", 'up{job="lander",instance="b"}': "1x60"},
    ),
    "stream_down": Case(
        fires={'up{job="lander",instance="a"}': "1x60"},
        quiet={'up{job="stream",instance="a"}': "1x60"},
    ),
    "exporter_blind": Case(
        fires={SEEN: "0+60x20 1200x40", 'up{job="exporter"}': "1x60"},
        quiet={SEEN: "0+60x60", 'up{job="exporter"}': "1x60"},
        labels={"part": "kafka"},
    ),
    "api_slow": Case(fires=api(80, 100), quiet=api(99, 100)),
    "api_failing": Case(fires=api(80, 100, failed=20), quiet=api(99, 100, failed=1)),
}  # fmt: skip

MORE: dict[str, Case] = {
    "model_worse_than_persistence": Case(
        fires={}, quiet=live(0.09, 0.08, 200), minutes=40,
    ),
    "disk_filling": Case(
        fires={"traffic_disk_free_bytes": "1000000000x60",
               "traffic_disk_size_bytes": "500000000000x60"}, quiet={},
    ),
    "exporter_blind": Case(
        fires={'up{job="lander"}': "1x60"}, quiet={},
    ),
}  # fmt: skip
"""A second way to fire, or a second reason to be quiet."""


def test_every_alert_has_a_case(specs: Specs) -> None:
    assert set(CASES) == {alert.id for alert in specs.ops.alerts}


def reckoned(alert: Alert, case: Case, series: Series, *, fires: bool) -> dict[str, object]:
    annotations = {"summary": alert.summary, "runbook": f"{RUNBOOK}#{alert.id}"}
    labels = {"severity": alert.severity, **case.labels}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{
            "eval_time": f"{case.minutes}m", "alertname": alert_name(alert.id),
            "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}] if fires else [],
        }],
    }  # fmt: skip


@pytest.mark.parametrize("alert_id", CASES)
def test_an_alert_fires_when_it_should_and_only_then(
    specs: Specs, alert_id: str, tmp_path: Path
) -> None:
    alert = next(one for one in specs.ops.alerts if one.id == alert_id)
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump(alert_rules(specs)))
    cases = [CASES[alert_id], *([MORE[alert_id]] if alert_id in MORE else [])]
    tests = [reckoned(alert, one, one.fires, fires=True) for one in cases if one.fires]
    tests += [reckoned(alert, one, one.quiet, fires=False) for one in cases if one.quiet]
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({
        "rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests,
    }))  # fmt: skip
    done = subprocess.run(
        [program("promtool"), "test", "rules", str(file)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_and_alertmanager_take_the_files(specs: Specs, tmp_path: Path) -> None:
    for checker, kind, path in (
        ("promtool", ["check", "rules"], "prometheus/rules.yml"),
        ("promtool", ["check", "config", "--syntax-only"], "prometheus/prometheus.yml"),
        ("amtool", ["check-config"], "alertmanager/alertmanager.yml"),
    ):
        file = tmp_path / Path(path).name
        file.write_text(made(specs)[path])
        done = subprocess.run(
            [program(checker), *kind, str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_section_of_the_runbook(specs: Specs) -> None:
    text = (ROOT / RUNBOOK).read_text()
    anchors = re.findall(r"^## ([a-z_]+)$", text, flags=re.MULTILINE)
    assert sorted(anchors) == sorted(alert.id for alert in specs.ops.alerts)
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert part in section, section.splitlines()[0]


def test_every_query_of_the_runbook_is_answered(lake: Lake) -> None:
    asked = re.findall(r'traffic query "([^"]+)"', (ROOT / RUNBOOK).read_text())
    assert len(asked) >= 3
    for sql in asked:
        assert query(lake, sql).num_rows == 0  # the tables are empty; it names what they have
    with pytest.raises(TrafficError):
        query(lake, "SELECT committed FROM ledger")


def test_pages_and_tickets_have_a_receiver_that_is_told(specs: Specs) -> None:
    found = alertmanager(specs, webhook="http://127.0.0.1:1/")
    told = {one["name"]: one["webhook_configs"] for one in found["receivers"]}
    assert all(told.values())
    assert {route["receiver"] for route in found["route"]["routes"]} == set(told)
    silent = alertmanager(specs, webhook=None)
    assert not any(one["webhook_configs"] for one in silent["receivers"])

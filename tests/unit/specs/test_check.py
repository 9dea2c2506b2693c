"""What one spec file names, another must define."""

from pathlib import Path

import pytest

from specs.check import faults
from specs.errors import SpecError
from specs.loader import Specs, load_specs
from tests.edited_specs import Edit, edited_folder, edited_specs

SILVER = "schemas/tables/silver.segment_metric.yaml"
KPI = "schemas/tables/gold.network_kpi.yaml"
BRONZE = "schemas/tables/bronze.traffic_event.yaml"
EVENT = "schemas/topics/traffic_event.v1.yaml"
METRIC = "schemas/topics/segment_metric.v1.yaml"

CONTRADICTIONS: dict[str, tuple[Edit, str]] = {
    "a flow to an unknown table": (
        ("system.yaml", 'to: "table:gold.network_kpi"', 'to: "table:gold.nowhere"'),
        "system.yaml: flow names table:gold.nowhere, which no spec defines",
    ),
    "a producer that is no component": (
        (EVENT, "producers: [producer]", "producers: [ghost]"),
        "topic traffic_event: ghost is not a component of system.yaml",
    ),
    "a topic of an unknown table": (
        (METRIC, "table: silver.segment_metric", "table: silver.x"),
        "topic segment_metric: table silver.x has no spec",
    ),
    "a silver column that nothing makes": (
        ("transforms.yaml", "name: vehicle_delay_h,", "name: vehicle_delay_hours,"),
        "transforms.yaml: nothing makes column vehicle_delay_h of silver.segment_metric",
    ),
    "a KPI column that nothing makes": (
        ("transforms.yaml", "name: congested_ratio,", "name: jammed_ratio,"),
        "transforms.yaml: no network KPI makes column congested_ratio",
    ),
    "targets of an unknown source": (
        ("ml.yaml", "source: aarhus, window", "source: gotham, window"),
        "ml.yaml: targets name source gotham, which specs/sources lacks",
    ),
    "targets of vehicles that nobody counts": (
        ("ml.yaml", "source: aarhus, window", "source: metr_la, window"),
        "ml.yaml: targets ask for vehicles, which metr_la does not count",
    ),
    "targets of an unknown window": (
        ("ml.yaml", "window: quarter_hour_sliding, min", "window: half_hour, min"),
        "ml.yaml: targets name window half_hour, which transforms.yaml lacks",
    ),
    "targets that begin between primary windows": (
        (
            "transforms.yaml",
            "size_seconds: 900, slide_seconds: 300",
            "size_seconds: 900, slide_seconds: 900",
        ),
        "ml.yaml: target window quarter_hour_sliding does not begin where primary windows do",
    ),
    "a label on an unknown column": (
        ("ml.yaml", "column: speed_kmh_mean", "column: speed_kmh_typical"),
        "ml.yaml: label column speed_kmh_typical is not in silver.segment_metric",
    ),
    "a label against an unknown reference": (
        ("ml.yaml", "reference: free_flow_speed_kmh", "reference: speed_limit_kmh"),
        "ml.yaml: label reference speed_limit_kmh is not in silver.road_segment",
    ),
    "a horizon between two windows": (
        ("ml.yaml", "horizons_minutes: [15, 30, 60]", "horizons_minutes: [15, 32, 60]"),
        "ml.yaml: horizon 32 min is not a multiple of the primary window",
    ),
    "an alert on an unknown metric": (
        ("ops.yaml", "expression: traffic_stream_lag_seconds >", "expression: traffic_lag >"),
        "ops.yaml: alert stream_stuck watches traffic_lag, which is no metric",
    ),
    "an alert on an unknown SLA": (
        ("ops.yaml", "sla: api_latency", "sla: speed"),
        "ops.yaml: alert api_slow names SLA speed, which system.yaml lacks",
    ),
    "an alert on a goal that it does not name": (
        ("ops.yaml", "    sla: api_latency\n", ""),
        "ops.yaml: alert api_slow: nobody gives the number 'goal'",
    ),
    "an alert on a bucket that is not there": (
        ("ops.yaml", "0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5]", "0.01, 0.05, 0.1, 0.25, 1, 2.5]"),
        "ops.yaml: alert api_slow: no bucket of traffic_api_request_duration_seconds_bucket"
        " ends at 0.025",
    ),
    "a metric by segment": (
        (
            "ops.yaml",
            'by: [exporter], labels: [source], help: "Road segments',
            'by: [exporter], labels: [segment_id], help: "Road segments',
        ),
        "ops.yaml: traffic_segments has label segment_id, which has no place in labels",
    ),
    "a training that could never be due": (
        ("ops.yaml", "min_interval_hours: 6 ", "min_interval_hours: 200 "),
        "ops.yaml: retraining has a min_interval_hours above its max_interval_hours",
    ),
    "a task that is longer than its run": (
        ("ops.yaml", "task_minutes: 5, run_minutes: 20", "task_minutes: 21, run_minutes: 20"),
        "ops.yaml: a task of DAG dlq_triage may take longer than a run",
    ),
    "retention of an unknown table": (
        ("ops.yaml", "  gold.network_kpi: {days: 1100}", "  gold.kpi: {days: 1100}"),
        "ops.yaml: retention names gold.kpi, which is neither a table nor a topic",
    ),
    "a column of no type": (
        (SILVER, "name: is_final, type: boolean", "name: is_final, type: bool"),
        "table silver.segment_metric: 'bool' is not a type; use one of ['binary', 'boolean', "
        "'date', 'double', 'integer', 'long', 'string', 'timestamp']",
    ),
}


def test_the_shipped_specs_agree(specs: Specs) -> None:
    assert faults(specs) == []


@pytest.mark.parametrize("contradiction", CONTRADICTIONS)
def test_two_files_that_contradict_are_told_by_name(contradiction: str, tmp_path: Path) -> None:
    edit, fault = CONTRADICTIONS[contradiction]
    assert faults(edited_specs(tmp_path, edit)) == [fault]


def test_a_table_that_no_file_describes_is_told_by_name(tmp_path: Path) -> None:
    folder = edited_folder(tmp_path)
    (folder / KPI).unlink()
    found = faults(load_specs(folder))
    assert "schemas/tables: no file describes gold.network_kpi" in found
    assert "system.yaml: flow names table:gold.network_kpi, which no spec defines" in found


REFUSED: dict[str, tuple[Edit, str]] = {
    "a unit that is missing from its column's name": (
        (KPI, "name: delay_s_total", "name: delay_total"),
        "column delay_total has unit s; its name needs _s",
    ),
    "a key that is no column": (
        (SILVER, "key: [segment_id, window_seconds, window_start]", "key: [segment_id, size]"),
        "key, partition or order column size is not a column",
    ),
    "two columns of one name": (
        (SILVER, "name: speed_kmh_p85,", "name: speed_kmh_p50,"), "columns named twice",
    ),
    "two rules of one id": (
        (SILVER, "id: mean_in_range,", "id: harmonic_in_range,"), "two rules share an id",
    ),
    "a rule on an unknown column": (
        (SILVER, "kind: between, column: speed_kmh_mean", "kind: between, column: speed_mean"),
        "rule mean_in_range reads unknown columns",
    ),
    "a lower bound above the upper one": (
        (BRONZE, "min: 0.1, max: 250", "min: 300, max: 250"),
        "min is above max",
    ),
    "a window that does not slide evenly": (
        ("transforms.yaml", "900, slide_seconds: 300", "900, slide_seconds: 400"),
        "size_seconds is not a multiple of slide_seconds",
    ),
    "a primary window that slides": (
        ("transforms.yaml", "primary_window: five_minutes", "primary_window: quarter_hour_sliding"),
        "the primary window is tumbling",
    ),
    "congestion levels out of order": (
        ("transforms.yaml", "level: heavy, below: 0.6", "level: heavy, below: 0.3"),
        "ordered by rising bound",
    ),
    "a speed in vehicles": (
        ("sources/nyc_dot.yaml", "speed_mph, unit: mph", "speed_mph, unit: vehicles"),
        "speed_kmh: unit vehicles is none of km/h, mph, m/s",
    ),
    "a time zone that does not exist": (
        ("sources/nyc_dot.yaml", "time_zone: America/New_York", "time_zone: America/Gotham"),
        "unknown time zone America/Gotham",
    ),
    "a feature that looks back too far": (
        ("ml.yaml", "history_windows: 24", "history_windows: 23"),
        "features look back further than history_windows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("contradiction", REFUSED)
def test_a_file_that_contradicts_itself_is_refused(contradiction: str, tmp_path: Path) -> None:
    edit, reason = REFUSED[contradiction]
    folder = edited_folder(tmp_path, edit)
    with pytest.raises(SpecError, match=reason) as refused:
        load_specs(folder)
    assert str(folder / edit[0]) in str(refused.value)

"""The exporter tells how the tables stand, from the tables alone, and changes nothing."""

from pathlib import Path
from typing import Any

import pytest

from lakehouse.commit import Note
from lakehouse.exporter.loop import Exporter
from lakehouse.exporter.parts import KPI, OUTCOME, RESULTS, ROADS, SILVER
from lakehouse.metrics import Metrics
from lakehouse.tables import Lake
from specs.errors import Unavailable
from specs.loader import Specs
from tests.rows import after, metric, reading, segment, table

BRONZE, DEAD = "bronze.traffic_event", "bronze.dead_letter"
NOTE = Note("test", "v")
Numbers = dict[str, float]


def no_kafka() -> str:
    raise Unavailable("kafka is not running")


@pytest.fixture
def watched(lake: Lake, specs: Specs) -> Lake:
    return Lake(lake.root, specs, Metrics(specs.ops, "exporter"))


def seen(watched: Lake) -> Numbers:
    """What one look tells, by series."""
    watched.root.mkdir(exist_ok=True)
    Exporter(watched, watched.root.parent / "checkpoint", no_kafka).look()
    lines = watched.metrics.text().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def append(lake: Lake, name: str, rows: list[dict[str, Any]], note: Note = NOTE) -> None:
    lake.table(name).append(table(lake, name, rows), note)


def refusal(number: int, *rules: str, name: str = SILVER) -> dict[str, Any]:
    return {
        "run_id": str(number), "table_name": name, "validated_at": after(0),
        "is_success": not rules, "row_count": 1, "sample_count": 1, "duration_s": 0.1,
        "failed_ids": list(rules), "spec_version": "v", "details": "{}",
    }  # fmt: skip


def test_a_look_at_nothing_makes_no_table_and_tells_of_the_disk(watched: Lake) -> None:
    found = seen(watched)
    assert list(watched.root.iterdir()) == []
    assert found["traffic_disk_size_bytes"] > found["traffic_disk_free_bytes"] > 0
    assert not [name for name in found if name.startswith("traffic_stream_lag")]


def test_a_part_that_cannot_be_seen_is_told_by_its_absence_and_hinders_no_other(
    watched: Lake,
) -> None:
    found = seen(watched)
    told = {name for name in found if name.startswith("traffic_exporter_success")}
    assert 'traffic_exporter_success_timestamp_seconds{part="kafka"}' not in told
    assert 'traffic_exporter_success_timestamp_seconds{part="disk"}' in told
    assert len(told) == 7


def test_refusals_begin_at_0_and_are_counted_by_what_was_broken(watched: Lake, lake: Lake) -> None:
    name = 'traffic_gate_failures_total{{rule="{}",table="silver.segment_metric"}}'
    assert seen(watched)[name.format("key_unique")] == 0
    append(lake, RESULTS, [
        refusal(1), refusal(2, "key_unique", "mean_in_range"), refusal(3, "key_unique"),
        refusal(4, "key_unique", name=KPI),
    ])  # fmt: skip
    found = seen(watched)
    assert found[name.format("key_unique")] == 2
    assert found[name.format("mean_in_range")] == 1
    assert found[name.format("event_count_positive")] == 0
    assert found['traffic_gate_failures_total{rule="key_unique",table="gold.network_kpi"}'] == 1


def dead(offset: int, **other: Any) -> dict[str, Any]:
    return {
        "topic": "traffic_event", "partition": 0, "offset": offset, "kafka_timestamp": after(0),
        "raw_key": b"k", "raw_value": b"v", "raw_headers": None, "rule_ids": ["value_is_json"],
        "reason": "no JSON", "failed_at": after(0), "spec_version": "v", "resolved_at": None,
        "resolution": None, "resolved_spec_version": None,
    } | other  # fmt: skip


def test_dead_letters_wait_until_they_are_resolved(watched: Lake, lake: Lake) -> None:
    append(lake, DEAD, [dead(1), dead(2), dead(3, resolved_at=after(5), resolution="replayed")])
    assert seen(watched)["traffic_dead_letters_unresolved"] == 2


def test_the_stream_is_behind_by_what_was_landed_and_not_by_other_commits(
    watched: Lake, lake: Lake
) -> None:
    append(lake, BRONZE, [], Note("land", "v"))
    found = seen(watched)
    assert (found["traffic_stream_lag_commits"], found["traffic_stream_lag_seconds"]) == (0, 0)
    append(lake, BRONZE, [reading(1, 0)], Note("land", "v"))
    append(lake, BRONZE, [reading(2, 0)], Note("maintain", "v"))
    append(lake, BRONZE, [reading(3, 0)], Note("land", "v"))
    found = seen(watched)
    assert found["traffic_stream_lag_commits"] == 2
    assert 0 <= found["traffic_stream_lag_seconds"] < 60


def test_files_and_log_of_a_table_are_counted(watched: Lake, lake: Lake) -> None:
    for number in range(3):
        append(lake, KPI, [kpi(number)])
    found = seen(watched)
    label = '{table="gold.network_kpi"}'
    assert found["traffic_table_files" + label] == 3
    assert found["traffic_table_version" + label] == 3
    assert found["traffic_table_log_files" + label] >= 4
    assert f'traffic_table_files{{table="{BRONZE}"}}' not in found


def kpi(number: int, *, is_final: bool = True) -> dict[str, Any]:
    return {
        "source": "s", "window_start": after(300 * number), "segment_count": 1,
        "congested_ratio": 0.5, "is_final": is_final, "committed_at": after(0),
    }  # fmt: skip


def test_a_segment_is_silent_that_had_no_observation_in_the_last_final_hour(
    watched: Lake, lake: Lake
) -> None:
    append(lake, ROADS, [segment(f"s:{name}") for name in "abcd"])
    append(lake, KPI, [kpi(0), kpi(24), kpi(25, is_final=False)])
    append(lake, SILVER, [
        metric("s:a", 0),  # two hours before
        metric("s:b", 300 * 13, detector_health=["stuck"]),
        metric("s:b", 300 * 24, detector_health=["stuck", "low_completeness"]),
        metric("s:c", 300 * 24, observation_count=0, detector_health=["stuck"]),
        metric("s:d", 300 * 25),  # not final yet
        metric("s:d", 300 * 20, window_seconds=900),
    ])  # fmt: skip
    found = seen(watched)
    assert found['traffic_segments{source="s"}'] == 4
    assert found['traffic_segments_silent{source="s"}'] == 3
    assert found['traffic_segments_unhealthy{rule="stuck",source="s"}'] == 2
    assert found['traffic_segments_unhealthy{rule="low_completeness",source="s"}'] == 1


def outcome(number: int, probability: float, happened: bool, now: bool | None) -> dict[str, Any]:
    moment = after(300 * number)
    return {
        "segment_id": "s:a", "source": "s", "window_start": moment, "window_date": moment.date(),
        "horizon_minutes": 15, "congestion_probability": probability, "speed_kmh_predicted": 40.0,
        "is_congested_now": now, "is_congested": happened, "speed_kmh_observed": 40.0,
        "model_name": "congestion", "model_version": 1,
    }  # fmt: skip


def test_live_quality_is_of_the_newest_days_beside_persistence(watched: Lake, lake: Lake) -> None:
    days = watched.specs.ops.monitoring.outcome_days
    append(lake, OUTCOME, [
        outcome(0, 1.0, False, False),  # too old
        outcome(288 * days + 1, 0.9, True, True),
        outcome(288 * days + 2, 0.2, False, True),
        outcome(288 * days + 3, 0.9, False, None),  # persistence has no answer
    ])  # fmt: skip
    found = seen(watched)
    label = 'horizon_minutes="15"'
    assert found[f"traffic_live_outcomes{{{label}}}"] == 2
    model = f'traffic_live_brier_score{{forecaster="model",{label}}}'
    assert found[model] == pytest.approx((0.01 + 0.04) / 2)
    assert found[model.replace('"model"', '"persistence"')] == pytest.approx(0.5)
    assert found[f"traffic_live_calibration_error{{{label}}}"] == pytest.approx(0.15)


def test_everything_that_the_specs_have_it_export_is_told(watched: Lake, lake: Lake) -> None:
    append(lake, ROADS, [segment("s:a")])
    append(lake, KPI, [kpi(0)])
    append(lake, SILVER, [metric("s:a", 0, detector_health=["stuck"])])
    append(lake, DEAD, [dead(1)])
    append(lake, BRONZE, [reading(1, 0)], Note("land", "v"))
    append(lake, OUTCOME, [outcome(1, 0.5, True, False)])
    told = {name.split("{")[0] for name in seen(watched)}
    own = {one.name for one in watched.specs.ops.metrics if "exporter" in one.by}
    assert own - told == {"traffic_consumer_lag_records"}  # for Kafka see tests/stack
    assert told <= own


def test_what_has_not_changed_is_not_read_again(watched: Lake, lake: Lake, tmp_path: Path) -> None:
    append(lake, DEAD, [dead(1)])
    exporter = Exporter(watched, tmp_path / "checkpoint", no_kafka)
    exporter.look()
    for path in lake.folder(DEAD).rglob("*.parquet"):
        path.unlink()
    exporter.look()
    text = watched.metrics.text().decode()
    assert "traffic_dead_letters_unresolved 1.0" in text


def test_what_could_not_be_read_is_read_again(watched: Lake, lake: Lake, tmp_path: Path) -> None:
    append(lake, DEAD, [dead(1)])
    (path,) = lake.folder(DEAD).rglob("*.parquet")
    hidden = path.rename(path.with_suffix(".hidden"))
    exporter = Exporter(watched, tmp_path / "checkpoint", no_kafka)
    exporter.look()
    assert "traffic_dead_letters_unresolved 1.0" not in watched.metrics.text().decode()
    hidden.rename(path)
    exporter.look()
    assert "traffic_dead_letters_unresolved 1.0" in watched.metrics.text().decode()

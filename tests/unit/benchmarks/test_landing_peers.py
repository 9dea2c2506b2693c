import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow.json as pj
import pytest

from benchmarks import backfill, landing_peers
from benchmarks.bar_chart import Bar, bar_chart
from benchmarks.kept import keep, kept_results
from benchmarks.peers.bare_loop import event_schema, parsed
from benchmarks.performance_page import write
from specs.errors import WrongInput
from tests.kafka_record import KafkaRecord, event_json


def run(seconds: float, **other: Any) -> dict[str, Any]:
    return {
        "records": 1200, "seconds": seconds, "cpu_seconds": seconds, "rss_bytes": 5,
        "kafka_cpu_seconds": 1.0, "kafka_rss_bytes": 7, "audit_ok": True,
    } | other  # fmt: skip


def test_a_ratio_is_made_within_its_repetition() -> None:
    # the machine is slow in the second repetition: 2, 2 and 3 times, not the ratio of the medians
    found = landing_peers.summary({
        "lander": [run(1.0), run(4.0), run(2.0)], "spark": [run(2.0), run(8.0), run(6.0)],
    })  # fmt: skip
    assert found["lander_to"]["spark"]["per_second"] == {
        "median": 2.0, "lowest": 2.0, "highest": 3.0,
    }  # fmt: skip
    assert found["entrants"]["spark"]["events_per_second"]["median"] == 200.0


def test_a_peer_that_lost_a_record_spoils_the_run() -> None:
    runs = {"lander": [run(1.0)], "bare_loop": [run(1.0, audit_ok=False)]}
    assert landing_peers.summary(runs)["audit_ok"] is False


def test_the_bare_loop_parses_every_field_that_the_lander_parses() -> None:
    options = pj.ParseOptions(explicit_schema=event_schema(), unexpected_field_behavior="ignore")
    record: Any = KafkaRecord(event_json())
    [row] = parsed([record], options).to_pylist()
    assert (row["speed_kmh"], row["vehicle_count"], row["status"]) == (41.5, 3, "ok")
    assert row["event_time"].isoformat() == "2018-03-05T12:00:00+00:00"
    assert row["raw_value"] == event_json()


def test_backfill_counts_the_readings_over_both_layers() -> None:
    def layer(seconds: float) -> dict[str, float]:
        return {"seconds": seconds, "cpu_seconds": 2 * seconds, "rss_bytes": 9}

    found = backfill.summary(600, [{"silver": layer(2.0), "gold": layer(1.0)}])
    assert (found["events_per_second"], found["events_per_cpu_second"]) == (200.0, 100.0)


def test_a_result_whose_books_are_off_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="a fast wrong run does not count"):
        keep("backfill", json.dumps({"audit_ok": False}), "traffic bench backfill", tmp_path)
    assert kept_results(tmp_path) == {}


def test_the_page_says_which_goals_the_kept_results_meet(tmp_path: Path) -> None:
    found = landing_peers.summary({
        "lander": [run(0.01)], "bare_loop": [run(0.005)], "two_landers": [run(0.005)],
    })  # fmt: skip
    keep("landing-peers", json.dumps(found), "traffic bench landing --peers", tmp_path)
    page, chart = write(kept_results(tmp_path), tmp_path)
    text = page.read_text()
    assert "| landing against the bare loop, per second | ≥ 0.6 | 0.5 | no |" in text
    assert "| two landers against one | ≥ 1.7 | 2 | yes |" in text
    assert "| backfill bronze to gold, events/s | ≥ 200,000 | not measured |" in text
    ET.fromstring(chart.read_text())


def test_the_page_shows_each_step_of_a_ramp_and_each_point_of_growth(tmp_path: Path) -> None:
    def climbed(rate: float, p95: float | None) -> dict[str, Any]:
        fresh = {} if p95 is None else {"p50_seconds": 1.0, "p95_seconds": p95, "p99_seconds": 9.0}
        step = {
            "rate": rate, "events_per_second": rate, "drift": 0.01, "is_kept_up": True,
            "cores": {"stream": 0.9, "exporter": 0.01}, **fresh,
        }  # fmt: skip
        return {"sustained_events_per_second": rate, "steps": [step]}

    ramped = {
        "audit_ok": True, "sustained_events_per_second": 20000.0, "sustained_to_medallion": 5.0,
        "p95_seconds_at_20000": 2.5,
        "contenders": {"pipeline": climbed(20000.0, 2.5), "medallion": climbed(4000.0, None)},
    }  # fmt: skip
    grown = {"audit_ok": True, "points": [{
        "axis": "days", "rate": 2000.0, "segments": 40000, "days": 90.0, "landers": 1,
        "p50_seconds": 1.0, "p95_seconds": 1.5, "p95_to_base": 1.2,
        "events_per_cpu_second": 1500.0, "rss_bytes": {"lander": 5e8, "stream": 2e9},
        "hops": {hop: {"p50_seconds": 0.5} for hop in ("bronze", "silver", "gold")},
    }]}  # fmt: skip
    keep("ramp", json.dumps(ramped), "traffic bench ramp", tmp_path)
    keep("growth", json.dumps(grown), "traffic bench growth", tmp_path)
    page, chart = write(kept_results(tmp_path), tmp_path)
    text = page.read_text()
    assert "| freshness at 20,000 events/s, p95 s | ≤ 3 | 2.5 | yes |" in text
    assert "| the same against the naive medallion | ≥ 4 | 5 | yes |" in text
    assert "lag flat, events/s | ≥ 40,000 | 20,000 | no | Spark" in text
    assert "| naive Spark medallion | 4,000 | 4,000 | never | never | never |" in text
    assert "| yes | stream 0.9 |" in text
    days = (
        "| days | 2,000 | 40,000 | 90 | 1 | 1 | 1.5 | 1.2 | 1,500 | 500 | 2,000 | 0.5, 0.5, 0.5 |"
    )
    assert days in text
    ET.fromstring(chart.read_text())


def test_bars_are_as_long_as_their_figures() -> None:
    root = ET.fromstring(
        bar_chart("t", [Bar("a", 200.0, 200.0, 200.0), Bar("b <", 50.0, 40.0, 60.0)])
    )
    bars = [one for one in root.iter("{http://www.w3.org/2000/svg}rect") if one.get("x")]
    assert float(bars[0].get("width") or 0) == 4 * float(bars[1].get("width") or 0)

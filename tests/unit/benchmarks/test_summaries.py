from typing import Any

import pytest

from benchmarks import freshness, landing
from benchmarks.live import LiveLoad, Observed


def run(seconds: float, **other: Any) -> dict[str, Any]:
    return {
        "records": 1000, "seconds": seconds, "cpu_seconds": 4.0, "gate_cpu_seconds": 0.4,
        "rss_bytes": 500, "audit_ok": True,
    } | other  # fmt: skip


def test_landing_tells_the_median_run_and_the_worst_memory() -> None:
    found = landing.summary([run(4.0), run(10.0, rss_bytes=900), run(5.0)])
    assert found["events_per_second"] == 200.0
    assert found["spread"]["events_per_second"] == {
        "median": 200.0, "lowest": 100.0, "highest": 250.0,
    }  # fmt: skip
    assert found["events_per_cpu_second"] == 250.0
    assert found["gate_cpu_ratio"] == pytest.approx(0.1)
    assert found["rss_bytes"] == 900


def test_one_run_whose_books_are_off_spoils_the_landing() -> None:
    assert landing.summary([run(4.0), run(4.0, audit_ok=False)])["audit_ok"] is False


def test_readings_and_duplicates_land_and_malformed_records_die() -> None:
    truth = {"events": 90, "duplicates": 5, "malformed": {"not_json": 2, "tombstone": 3}}
    assert landing.expected(truth) == (95, 5)


def test_freshness_leaves_the_load_out_of_the_cost() -> None:
    seen = Observed(
        since_version=3, landed=600, records=600, seconds=10.0,
        cpu_seconds={"bench": 9.0, "producer": 7.0, "kafka": 1.0, "lander": 2.0, "stream": 3.0},
        rss_bytes={"lander": 10}, pipeline_cpu_seconds=8.0, lag={},
        exporter_cpu_seconds=0.05, scrape_seconds={"lander": [0.01, 0.03, 0.02], "stream": [0.02]},

        reports={
            "lander": {"gate_cpu_seconds": 0.5, "metrics_cpu_seconds": 0.02, "batches": 4},
            "stream": {"gate_cpu_seconds": 0.3, "metrics_cpu_seconds": 0.01, "batches": 2},
        },
    )  # fmt: skip
    found = freshness.summary(LiveLoad(), seen, {"p95_seconds": 1.5})
    assert found["p95_seconds"] == 1.5
    assert found["events_per_second"] == 60.0
    assert found["events_per_cpu_second"] == 100.0  # 600 by kafka's, lander's and stream's 6 s
    assert found["metrics_cpu_ratio"] == pytest.approx(0.01)
    assert found["scrape_seconds_max"] == 0.03
    assert found["scrape_seconds"] == {
        "lander": {"median": 0.02, "p95": 0.03, "highest": 0.03},
        "stream": {"median": 0.02, "p95": 0.02, "highest": 0.02},
    }
    assert found["gate_cpu_ratio"] == pytest.approx(0.1)

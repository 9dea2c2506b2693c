from typing import Any

import pytest

from benchmarks.aims import FRESHNESS, GROWTH
from benchmarks.kept import kept_results
from benchmarks.performance_page import page


def kept(result: dict[str, Any]) -> dict[str, Any]:
    machine = {"cpus": 2, "cpu_model": "a CPU", "memory_bytes": 8 * 10**9, "python": "3.11.7"}
    return {"command": "a bench", "at": "2026-01-01T00:00Z", "machine": machine, "result": result}


def row(text: str, goal: str) -> list[str]:
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {goal} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_goal_whose_bench_has_not_run_is_said_to_be_not_measured() -> None:
    assert row(page({}), "lander's memory at 2,000 events/s, MB")[2] == "not measured"


def test_why_there_is_no_figure_is_no_verdict_on_it() -> None:
    _, _, found, met, why = row(page({}), "landing against kafka-delta-ingest, per CPU-second")
    assert (found, met) == ("not measured", "")
    assert "--peer-command" in why


@pytest.mark.parametrize(("gates", "verdict"), [(0.04, "yes"), (0.09, "no")])
def test_a_missed_goal_says_what_limits_it(gates: float, verdict: str) -> None:
    result = kept_results()[FRESHNESS]["result"] | {
        "gate_cpu_ratio": gates, "metrics_cpu_ratio": 0.02,
    }  # fmt: skip
    _, _, _, met, limit = row(
        page({FRESHNESS: kept(result)}), "gates and metrics, share of the CPU"
    )
    assert (met, bool(limit)) == (verdict, verdict == "no")


def test_history_and_segments_are_each_held_against_growths_bound_at_their_worst() -> None:
    figures = {
        "rate": 2000.0, "segments": 500, "days": 1, "landers": 1, "p50_seconds": 1.0,
        "p95_seconds": 1.0, "events_per_cpu_second": 1.0, "rss_bytes": {"lander": 1, "stream": 1},
        "hops": {},
    }  # fmt: skip
    ratios = [("base", 1.0), ("rate", 9.0), ("segments", 1.2), ("days", 1.4), ("days", 1.1)]
    points = [figures | {"axis": axis, "p95_to_base": ratio} for axis, ratio in ratios]
    text = page({GROWTH: kept({"points": points})})
    days = row(text, "freshness with 90 days of history against one, p95")
    segments = row(text, "freshness with 40,000 segments against 500, p95")
    assert days[2:4] == ["1.4", "no"]
    assert segments[2:4] == ["1.2", "yes"]

import json

import pytest

from benchmarks.report import Spread, audited, finish, goals, rounded, spread
from lakehouse.audit import Check
from specs.system import Sla


def sla(bench: str, metric: str, **bound: float) -> Sla:
    return Sla(
        id=metric, kind="cost", metric=metric, unit="u", measured_by=bench, description="d", **bound
    )


def test_spread_is_the_median_and_the_extremes() -> None:
    assert spread([3.0, 1.0, 7.0]) == Spread(median=3.0, lowest=1.0, highest=7.0)


@pytest.mark.parametrize(
    ("bound", "value", "met"),
    [
        ({"at_least": 5.0}, 5.0, True),
        ({"at_least": 5.0}, 4.9, False),
        ({"at_most": 5.0}, 5.0, True),
        ({"at_most": 5.0}, 5.1, False),
        ({"at_least": 1.0}, True, True),
        ({"at_least": 1.0}, False, False),
        ({"at_most": 5.0}, None, False),
    ],
)
def test_a_goal_is_met_up_to_its_bound(
    bound: dict[str, float], value: float | None, met: bool
) -> None:
    [goal] = goals([sla("traffic bench x", "m", **bound)], "x", {"m": value})
    assert goal.met is met


def test_a_promised_figure_that_is_absent_is_a_goal_missed() -> None:
    [goal] = goals([sla("traffic bench x", "m", at_most=5.0)], "x", {})
    assert (goal.value, goal.met) == (None, False)


def test_only_this_bench_and_the_audit_are_held_against_a_result() -> None:
    slas = [
        sla("traffic bench x", "a", at_most=1),
        sla("traffic bench y", "b", at_most=1),
        sla("traffic audit", "c", at_least=1),
    ]
    assert [goal.metric for goal in goals(slas, "x", {"a": 1, "c": True})] == ["a", "c"]


def test_rounding_leaves_whole_numbers_and_words_alone() -> None:
    assert rounded({"a": [1.23456, 2], "b": {"c": True, "d": None, "e": "x"}}) == {
        "a": [1.2346, 2],
        "b": {"c": True, "d": None, "e": "x"},
    }


RESULT = {
    "p95_seconds": 3.25, "gate_cpu_ratio": 0.01, "metrics_cpu_ratio": 0.01,
    "scrape_seconds_max": 0.02, "audit_ok": True, "lag": {"gold": 3},
}  # fmt: skip


def test_json_is_one_object_and_a_missed_goal_does_not_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert finish("freshness", RESULT, as_json=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {goal["id"]: goal["met"] for goal in printed["goals"]} == {
        "freshness": False, "gate_cost": True, "metrics_cost": True, "scrape_time": True,
        "nothing_lost": True,
    }  # fmt: skip
    assert printed["p95_seconds"] == 3.25


def test_one_equation_that_is_off_is_the_audit_that_is_off(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, bad = Check("offsets", 5, 5), Check("events", 5, 4)
    assert audited([good])["audit_ok"] is True
    found = audited([good, bad])
    assert (found["audit_ok"], [row["is_ok"] for row in found["checks"]]) == (False, [True, False])
    finish("freshness", found, as_json=False)
    assert "OFF events: 5 = 4" in capsys.readouterr().out


def test_books_that_are_off_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish("freshness", {**RESULT, "audit_ok": False}, as_json=False) == 1
    assert "p95_seconds" in capsys.readouterr().out

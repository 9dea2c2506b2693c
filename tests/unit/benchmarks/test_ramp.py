import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.gold_age import GoldLog, Moment, ages, drift
from benchmarks.ramp import Climb, Step, between, climb, summary


def step(rate: float, **other: float) -> Step:
    held = {"events_per_second": rate, "drift": 0.0, "behind_seconds": 1.0} | other
    return Step(
        rate, began=100.0, ended=101.0, hopeless_seconds=20.0, cores={}, rss_bytes={}, **held
    )


def holding_up_to(limit: float) -> Callable[[float], Step]:
    return lambda rate: step(rate, drift=0.0 if rate <= limit else 0.4)


def test_an_age_runs_to_the_first_commit_that_counts_the_reading() -> None:
    moments = [Moment(at=101.0, reached=100.5), Moment(at=103.0, reached=102.0)]
    found = ages(moments, 100.0, 101.0)  # 26 samples wait 1.00 to 0.50 s, 24 wait 2.48 to 2.02 s
    assert found is not None
    assert found.p50_seconds == pytest.approx(0.98)
    assert found.p95_seconds == pytest.approx(2.44)


def test_a_reading_that_gold_lacks_leaves_no_age() -> None:
    assert ages([Moment(101.0, 100.5)], 100.0, 101.0) is None


def test_an_age_that_grows_by_half_a_second_a_second_drifts_by_half() -> None:
    falling_back = [Moment(at, at / 2) for at in (100.0, 102.0, 104.0)]
    assert drift(falling_back, 100.0, 104.0) == pytest.approx(0.5)
    steady = [Moment(at, at - 1.2) for at in (100.0, 102.0, 104.0)]
    assert drift(steady, 100.0, 104.0) == pytest.approx(0.0)


def test_two_commits_do_not_show_that_a_lag_is_flat() -> None:
    assert drift([Moment(100.0, 99.0), Moment(101.0, 100.0)], 99.0, 105.0) == 1.0


def test_a_climb_ends_at_the_first_rate_that_is_too_much_and_closes_in() -> None:
    steps = climb(Climb(rates=(500, 2_000, 8_000, 32_000), refinements=2), holding_up_to(5_000))
    assert [one.rate for one in steps] == [500, 2_000, 8_000, 4_000, 5_700]


def test_a_climb_that_never_falls_back_has_nothing_to_close_in_on() -> None:
    steps = climb(Climb(rates=(500, 2_000)), holding_up_to(5_000))
    assert [one.rate for one in steps] == [500, 2_000]


def test_between_is_half_way_in_ratio() -> None:
    assert between(20_000, 40_000) == 28_000


@pytest.mark.parametrize("fault", [
    {"events_per_second": 400.0}, {"drift": 0.06}, {"behind_seconds": 21.0},
])  # fmt: skip
def test_a_rate_is_held_only_if_sent_in_full_and_the_lag_is_flat(fault: dict[str, float]) -> None:
    assert step(500.0).is_kept_up
    assert not step(500.0, **fault).is_kept_up


def test_the_knee_is_the_highest_rate_that_was_kept_up_with() -> None:
    steps = [step(500.0), step(2_000.0), step(4_000.0, drift=0.5), step(3_000.0)]
    found = summary(steps, [Moment(101.5, 101.0)])
    assert found["sustained_events_per_second"] == 3_000.0
    assert found["knee"] == {"holds": 3_000.0, "falls_behind": 4_000.0}
    assert [one["rate"] for one in found["steps"]] == [500.0, 2_000.0, 3_000.0, 4_000.0]


def test_gold_has_come_as_far_as_its_files_ever_said(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    log.mkdir()

    def commit(version: int, second: int, newest: str | None) -> None:
        stats = {"maxValues": {} if newest is None else {"kafka_timestamp_max": newest}}
        lines = [
            {"commitInfo": {"timestamp": (1_520_000_000 + second) * 1000}},
            {"add": {"path": "x", "stats": json.dumps(stats)}},
        ]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (log / f"{version:020}.json").write_text(text)

    gold = GoldLog(tmp_path)
    commit(0, 1, None)
    assert gold.look() == []
    commit(1, 4, "2018-03-02T14:13:22Z")
    commit(2, 5, "2018-03-02T14:13:21Z")  # an older window is merged later
    assert gold.look() == [
        Moment(1_520_000_004.0, 1_520_000_002.0), Moment(1_520_000_005.0, 1_520_000_002.0),
    ]  # fmt: skip

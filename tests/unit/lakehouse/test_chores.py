"""Chores are done when they are due, each on its own timer."""

import pytest

from lakehouse.jobs.chores import Chore, doing
from specs.errors import GateFailed, Unavailable


def test_each_chore_is_done_when_it_is_due_and_not_before() -> None:
    now, done = [100.0], list[str]()

    def often() -> None:
        done.append("often")
        now[0] += 2  # it takes its time, and is due again so long after its end

    look = doing(
        Chore(often, every_seconds=10),
        Chore(lambda: done.append("rare"), every_seconds=60, first_seconds=25),
        clock=lambda: now[0],
    )
    told = {}
    for moment in (100.0, 109.9, 110.0, 121.9, 122.0, 125.0, 184.9, 187.0):
        now[0], done[:] = moment, []
        look()
        told[moment] = list(done)
    assert told == {
        100.0: [], 109.9: [], 110.0: ["often"], 121.9: [], 122.0: ["often"], 125.0: ["rare"],
        184.9: ["often", "rare"], 187.0: [],
    }  # fmt: skip


def test_a_chore_that_cannot_be_done_waits_for_its_next_time_and_hinders_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now, tried = [0.0], list[float]()

    def conflicting() -> None:
        tried.append(now[0])
        raise Unavailable("silver: 5 commits in a row met other writers' commits")

    look = doing(
        Chore(conflicting, every_seconds=60),
        Chore(lambda: tried.append(-now[0]), every_seconds=60),
        clock=lambda: now[0],
    )
    for moment in (60.0, 90.0, 120.0):
        now[0] = moment
        look()
    assert tried == [60, -60, 120, -120]
    assert caplog.messages[0].endswith("met other writers' commits; tried again in 60 s")


def test_a_chore_that_a_gate_refuses_ends_what_it_is_done_beside() -> None:
    def refused() -> None:
        raise GateFailed("a row breaks a rule")

    with pytest.raises(GateFailed):
        doing(Chore(refused, every_seconds=0))()

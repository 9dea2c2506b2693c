"""Work one batch behind: in order, one at a time, and no failure goes unheard."""

import threading

import pytest

from lakehouse.jobs.one_behind import OneBehind


def test_the_next_waits_for_the_one_before() -> None:
    behind, go, done = OneBehind(), threading.Event(), list[str]()
    behind.take(lambda: done.append("first" if go.wait(60) else "late"))
    assert not done
    go.set()
    behind.take(lambda: done.append("second"))
    assert done[0] == "first"
    behind.finish()
    assert done == ["first", "second"]


def test_a_failure_is_told_to_whoever_comes_next_and_at_the_end() -> None:
    behind = OneBehind()
    behind.take([].pop)
    for ask in (behind.finish, lambda: behind.take(lambda: None), behind.finish):
        with pytest.raises(IndexError):
            ask()
    assert behind.has_failed


def test_without_work_there_is_nothing_to_wait_for() -> None:
    behind = OneBehind()
    behind.finish()
    assert not behind.has_failed


def test_after_a_failure_that_was_seen_to_the_next_begins() -> None:
    behind, done = OneBehind(), list[str]()
    behind.take([].pop)
    behind.wait()
    behind.drop()
    behind.take(lambda: done.append("next"))
    behind.finish()
    assert done == ["next"]

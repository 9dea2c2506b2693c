"""When a pipeline counts as recovered."""

from datetime import timedelta

from benchmarks.recovery import recovered_after
from tests.rows import after


def test_it_is_the_end_of_the_first_second_within_the_goal_after_the_kill() -> None:
    ages = [(0, 1.0), (1, 9.0), (2, 8.0), (3, 2.0), (4, 9.0)]
    seconds = [(after(at), p95) for at, p95 in ages]
    killed_at = after(0) + timedelta(milliseconds=400)
    assert recovered_after(seconds, killed_at, 2.0) == 3.6
    assert recovered_after(seconds, killed_at, 1.5) is None

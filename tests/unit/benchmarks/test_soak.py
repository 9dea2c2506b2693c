"""Growth is told by quarters and by a straight line."""

import pytest

from benchmarks.soak import growth, slope


def test_a_line_has_its_slope() -> None:
    assert slope([(0, 1.0), (10, 3.0), (20, 5.0)]) == pytest.approx(0.2)
    assert slope([(5, 1.0), (5, 3.0)]) == 0.0


def test_growth_is_of_the_last_third_and_by_quarters() -> None:
    grown = growth([(at, 10.0 if at < 6 else 10.0 + at) for at in range(9)])
    assert (grown.first, grown.last, grown.highest) == (10.0, 17.5, 18.0)
    assert grown.per_hour == pytest.approx(3600)

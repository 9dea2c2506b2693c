import numpy as np
import pytest

from ml.columns import Floats
from ml.profile import Profile, ProfileSums
from specs.ml import Measure

DAY = 86_400
HALF_HOUR = 1800


def sums(rows: list[tuple[int, int, float]], smoothing_rows: float) -> ProfileSums:
    """Sums of (segment, second of the week, speed ratio) over two segments; below 0.6 is a jam."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    segment, second = table[:, 0].astype(int), table[:, 1].astype(int)
    congested = (table[:, 2] < 0.6).astype(float)
    return ProfileSums.of(table[:, 2], congested, segment, second, ("a", "b"), 30, smoothing_rows)


def fitted(rows: list[tuple[int, int, float]], smoothing_rows: float) -> Profile:
    return sums(rows, smoothing_rows).profile()


def usual(
    profile: Profile, segment_id: str, second_of_week: int, measure: Measure = "speed_ratio"
) -> Floats:
    return profile.at(measure, (segment_id,), np.array([0]), np.array([second_of_week]))


def test_a_bucket_s_mean_is_of_its_rows() -> None:
    profile = fitted([(0, 0, 0.4), (0, 1799, 0.6), (0, 1800, 0.9), (1, 0, 1.0)], smoothing_rows=0)
    assert usual(profile, "a", 60) == [0.5]
    assert usual(profile, "a", 1800) == [0.9]
    assert usual(profile, "b", 0) == [1.0]


def test_an_unseen_segment_has_the_network_s_profile() -> None:
    profile = fitted([(0, 0, 0.4), (1, 0, 0.8)], smoothing_rows=0)
    assert usual(profile, "new", 0) == pytest.approx([0.6])


def test_a_bucket_without_rows_has_the_segment_s_time_of_day() -> None:
    profile = fitted([(0, 0, 0.4), (0, DAY, 0.6), (1, HALF_HOUR, 1.0)], smoothing_rows=0)
    assert usual(profile, "a", 3 * DAY) == pytest.approx([0.5])


def test_smoothing_mixes_a_few_rows_with_what_is_broader() -> None:
    # Both days at midnight: mean of all, network's time of day and segment's are 0.6; one row of
    # each day, so the day's own mean moves half way from 0.6.
    profile = fitted([(0, 0, 0.4), (0, DAY, 0.8)], smoothing_rows=1)
    network_monday = (0.4 + 0.6) / 2
    leaning = 0.6 + network_monday - 0.6
    assert usual(profile, "a", 0) == pytest.approx([(0.4 + leaning) / 2])
    assert usual(profile, "b", 0) == pytest.approx([network_monday])


def test_jams_and_spread_are_usual_too() -> None:
    profile = fitted([(0, 0, 0.4), (0, 0, 0.8), (0, 1800, 0.9)], smoothing_rows=0)
    assert usual(profile, "a", 0, "congested_ratio") == [0.5]
    assert usual(profile, "a", 0, "speed_ratio_stddev") == pytest.approx([0.2])
    assert usual(profile, "a", 1800, "speed_ratio_stddev") == pytest.approx([0.0])


def test_a_day_that_is_left_out_leaves_no_trace() -> None:
    rest = [(0, 0, 0.4), (1, 60, 0.7), (1, DAY, 0.9)]
    day = [(0, 0, 0.9), (1, 1800, 0.2)]
    without = sums(rest + day, 5).without(sums(day, 5)).profile()
    expected = fitted(rest, 5)
    np.testing.assert_allclose(without.by_segment, expected.by_segment, atol=1e-12)
    np.testing.assert_allclose(without.network, expected.network, atol=1e-12)


def test_a_profile_of_no_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        fitted([], 1)

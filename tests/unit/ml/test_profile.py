import numpy as np
import pytest

from ml.columns import Floats
from ml.profile import Profile, fit_profile
from specs.ml import Profile as ProfileSpec

DAY = 86_400
HALF_HOUR = 1800


def fitted(rows: list[tuple[int, int, float]], smoothing_rows: float) -> Profile:
    """Profile of (segment, second of the week, value) over two segments."""
    segment, second, value = (np.array(column) for column in zip(*rows, strict=True))
    spec = ProfileSpec(bucket_minutes=30, smoothing_rows=smoothing_rows, folds=2)
    return fit_profile(value.astype(float), segment, second, ("a", "b"), spec)


def usual(profile: Profile, segment_id: str, second_of_week: int) -> Floats:
    return profile.at((segment_id,), np.array([0]), np.array([second_of_week]))


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


def test_a_profile_of_no_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        fit_profile(
            np.empty(0), np.empty(0, dtype=int), np.empty(0, dtype=int), ("a",),
            ProfileSpec(bucket_minutes=30, smoothing_rows=1, folds=2),
        )  # fmt: skip

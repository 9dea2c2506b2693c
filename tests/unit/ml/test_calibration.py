import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.calibration import Calibrator

SCORES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60)


def test_a_probability_is_the_share_of_held_out_rows_that_were_congested() -> None:
    score = np.repeat([0.2, 0.9], 4)
    happened = np.array([True, False, False, False, True, True, True, False])
    made = Calibrator.fit(score, happened)
    assert made.at(np.array([0.2, 0.9])).tolist() == [0.25, 0.75]
    assert made.at(np.array([0.55])).tolist() == pytest.approx([0.5])


def test_beyond_the_scores_that_were_seen_it_goes_on_to_what_is_sure() -> None:
    made = Calibrator.fit(np.repeat([0.2, 0.8], 2), np.array([True, False, True, True]))
    assert made.at(np.array([0.0, 0.1, 0.8, 1.0])).tolist() == [0.0, 0.25, 1.0, 1.0]


def test_rows_that_the_scores_tell_apart_stay_told_apart() -> None:
    random = np.random.default_rng(7)
    score = np.sort(random.uniform(0.05, 0.95, 400))
    happened = random.uniform(size=400) < score**2
    found = Calibrator.fit(score, happened).at(score)
    # Where the steps are 0 or 1, nothing is left to tell apart.
    between = (found > 0) & (found < 1)
    assert between.sum() > 300
    assert (np.diff(found[between]) > 0).all()
    assert found.mean() == pytest.approx(happened.mean(), abs=0.005)


@given(seen=SCORES)
def test_a_higher_score_is_never_a_lower_probability(seen: list[tuple[float, bool]]) -> None:
    score, happened = (np.array(values) for values in zip(*seen, strict=True))
    found = Calibrator.fit(score, happened).at(np.linspace(0, 1, 101))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_scores_that_differ_by_rounding_alone_are_one() -> None:
    random = np.random.default_rng(3)
    score = np.repeat([2e-4, 0.999], 300) + random.uniform(-1e-16, 1e-16, 600)
    happened = np.repeat([False, True], 300)
    made = Calibrator.fit(score, happened)
    assert np.isfinite(made.probability).all()
    assert np.isfinite(made.at(score)).all()

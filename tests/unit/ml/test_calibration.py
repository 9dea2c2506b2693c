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


def test_beyond_the_scores_that_were_seen_it_is_flat() -> None:
    made = Calibrator.fit(np.array([0.2, 0.2, 0.9, 0.9]), np.array([True, False, True, True]))
    assert made.at(np.array([0.0, 1.0])).tolist() == [0.5, 1.0]


@given(seen=SCORES)
def test_a_higher_score_is_never_a_lower_probability(seen: list[tuple[float, bool]]) -> None:
    score, happened = (np.array(values) for values in zip(*seen, strict=True))
    found = Calibrator.fit(score, happened).at(np.linspace(0, 1, 101))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()

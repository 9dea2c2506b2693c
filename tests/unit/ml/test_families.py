import numpy as np

from ml.families import Lesson, grow
from specs.loader import Specs

ROWS = 1000


def test_a_row_is_drawn_as_often_as_its_weight_asks() -> None:
    weights = np.random.default_rng(1).uniform(0.0, 9.0, ROWS)
    weights[7] = 0.0
    rows = np.arange(ROWS, dtype=np.float64)
    drawn = Lesson(rows[:, None], rows).weighted(weights)
    assert np.array_equal(drawn.inputs[:, 0], drawn.answers)
    times = np.bincount(drawn.answers.astype(int), minlength=ROWS)
    assert times.sum() == ROWS
    assert np.abs(times - weights / weights.sum() * ROWS).max() < 1.0
    assert times[7] == 0


def test_the_median_of_weighted_rows_is_the_weighted_median(specs: Specs) -> None:
    boosting = specs.ml.training.regressor
    answers = np.repeat([1.0, 2.0], ROWS // 2)
    nothing_told = Lesson(np.zeros((ROWS, 1)), answers)
    for heavier in (1.0, 2.0):
        weights = np.where(answers == heavier, 3.0, 1.0)
        lesson = nothing_told.weighted(weights)
        trees = grow("hist_gradient_boosting", lesson, "absolute_error", boosting, seed=1)
        assert trees.predict(lesson.inputs[:1]).tolist() == [heavier]

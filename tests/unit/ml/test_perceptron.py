"""What the network of neurons answers, and how it answers beside the trees."""

import numpy as np
import pytest

from ml.columns import Floats
from ml.families import Lesson
from ml.mixture import Mixture, best_share, mixed
from ml.perceptron import Perceptron
from specs.ml import PerceptronSpec

SPEC = PerceptronSpec(
    hidden=(16, 8), epochs=8, batch_rows=64, learning_rate=0.01, l2=0.01, shares=(0.0, 0.5, 1.0)
)


class Says:
    """Trees that say what they are told."""

    def __init__(self, probability: Floats) -> None:
        self.probability = probability

    def predict(self, inputs: Floats) -> Floats:
        return self.probability[: len(inputs)]


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    """Mostly below 0.6 on one side of a slope; a column is hardly known, another never."""
    random = np.random.default_rng(3)
    inputs = random.normal(20.0, 4.0, size=(4000, 4))
    slope = inputs[:, 0] - inputs[:, 1]
    is_likely = random.uniform(size=4000) < 0.9
    answers = np.where((slope > 0) == is_likely, 0.4, 0.8) + random.normal(0.0, 0.05, size=4000)
    inputs[random.uniform(size=4000) < 0.9, 2] = np.nan
    inputs[:, 3] = np.nan
    return Lesson(inputs, answers)


@pytest.fixture(scope="module")
def perceptron(lesson: Lesson) -> Perceptron:
    return Perceptron.fit(lesson, 0.6, SPEC, seed=1)


def test_it_learns_and_the_same_seed_learns_the_same(
    lesson: Lesson, perceptron: Perceptron
) -> None:
    odds = perceptron.log_odds(lesson.inputs)
    slope = lesson.inputs[:, 0] - lesson.inputs[:, 1]
    assert (odds[slope > 4.0] > 0.5).all()
    assert (odds[slope < -4.0] < -0.5).all()
    assert np.array_equal(Perceptron.fit(lesson, 0.6, SPEC, seed=1).log_odds(lesson.inputs), odds)


def test_bounds_beside_its_own_are_learnt_from_and_not_answered(lesson: Lesson) -> None:
    spec = SPEC.model_copy(update={"also_below": (0.35, 0.45, 0.75, 0.85)})
    found = Perceptron.fit(lesson, 0.6, spec, seed=1)
    assert found.weights[-1].shape == (8, 1)
    odds, slope = found.log_odds(lesson.inputs), lesson.inputs[:, 0] - lesson.inputs[:, 1]
    assert (odds[slope > 4.0] > 0.5).all()
    assert (odds[slope < -4.0] < -0.5).all()


def test_a_row_gets_the_same_bits_in_any_batch(lesson: Lesson, perceptron: Perceptron) -> None:
    whole = perceptron.log_odds(lesson.inputs)
    for size in (1, 3, 7, 500):
        parts = [perceptron.log_odds(lesson.inputs[at : at + size]) for at in range(0, 1000, size)]
        assert np.array_equal(np.concatenate(parts)[:1000], whole[:1000])
    turned = np.asfortranarray(lesson.inputs[::-1])
    assert np.array_equal(perceptron.log_odds(turned)[::-1], whole)


def test_sums_are_exact_whatever_the_weights(perceptron: Perceptron) -> None:
    extreme = np.array([[1e300, -1e300, np.inf, np.nan]])
    assert np.isfinite(perceptron.log_odds(extreme)).all()
    for layer in (*perceptron.weights, *perceptron.biases):
        assert np.array_equal(layer, np.rint(layer))


def test_the_share_is_what_suits_rows_that_neither_has_seen(
    lesson: Lesson, perceptron: Perceptron
) -> None:
    is_below = lesson.answers < 0.6
    unseen = lesson.inputs, is_below
    unsure, all_knowing = Says(np.full(4000, 0.5)), Says(is_below.astype(np.float64))
    assert best_share(unsure, perceptron, SPEC.shares, *unseen) == 1.0
    found = mixed(unsure, perceptron, 1.0)
    assert isinstance(found, Mixture)
    odds = perceptron.log_odds(lesson.inputs)
    assert np.array_equal(found.predict(lesson.inputs) > 0.5, odds > 0)
    assert best_share(all_knowing, perceptron, SPEC.shares, *unseen) == 0.0
    assert mixed(all_knowing, perceptron, 0.0) is mixed(all_knowing, None, 0.5) is all_knowing

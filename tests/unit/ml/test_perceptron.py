"""What the network of neurons answers, and how it answers beside the trees."""

import numpy as np
import pytest

from ml.columns import Floats
from ml.families import Lesson
from ml.mixture import Mixture, mixed
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
    """Nine times as likely on one side of a slope; a column is hardly known, another never."""
    random = np.random.default_rng(3)
    inputs = random.normal(20.0, 4.0, size=(4000, 4))
    slope = inputs[:, 0] - inputs[:, 1]
    answers = (random.uniform(size=4000) < np.where(slope > 0, 0.9, 0.1)).astype(np.float64)
    inputs[random.uniform(size=4000) < 0.9, 2] = np.nan
    inputs[:, 3] = np.nan
    return Lesson(inputs, answers)


@pytest.fixture(scope="module")
def perceptron(lesson: Lesson) -> Perceptron:
    return Perceptron.fit(lesson, SPEC, seed=1)


def test_it_learns_and_the_same_seed_learns_the_same(
    lesson: Lesson, perceptron: Perceptron
) -> None:
    odds = perceptron.log_odds(lesson.inputs)
    slope = lesson.inputs[:, 0] - lesson.inputs[:, 1]
    assert (odds[slope > 4.0] > 0.5).all()
    assert (odds[slope < -4.0] < -0.5).all()
    assert np.array_equal(Perceptron.fit(lesson, SPEC, seed=1).log_odds(lesson.inputs), odds)


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
    unseen = lesson.inputs, lesson.answers > 0
    found = mixed(Says(np.full(4000, 0.5)), perceptron, SPEC.shares, *unseen)
    assert isinstance(found, Mixture)
    assert found.share == 1.0
    odds = perceptron.log_odds(lesson.inputs)
    assert np.array_equal(found.predict(lesson.inputs) > 0.5, odds > 0)
    all_knowing = Says(lesson.answers)
    assert mixed(all_knowing, perceptron, SPEC.shares, *unseen) is all_knowing

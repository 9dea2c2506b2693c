"""What the network of neurons answers."""

import numpy as np
import pytest

from ml.columns import Booleans
from ml.families import Lesson
from ml.median import PerceptronMedian
from ml.perceptron import Perceptron
from specs.ml import PerceptronSpec

SPEC = PerceptronSpec(
    hidden=(16, 8), epochs=8, batch_rows=64, learning_rate=0.01, l2=0.01, shares=(0.0, 0.5, 1.0)
)


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


def below(lesson: Lesson, *bounds: float) -> Booleans:
    return lesson.answers[:, None] < bounds


@pytest.fixture(scope="module")
def perceptron(lesson: Lesson) -> Perceptron:
    return Perceptron.fit(lesson.inputs, below(lesson, 0.6), SPEC, seed=1)


def test_it_learns_and_the_same_seed_learns_the_same(
    lesson: Lesson, perceptron: Perceptron
) -> None:
    odds = perceptron.log_odds(lesson.inputs)
    slope = lesson.inputs[:, 0] - lesson.inputs[:, 1]
    assert (odds[slope > 4.0] > 0.5).all()
    assert (odds[slope < -4.0] < -0.5).all()
    again = Perceptron.fit(lesson.inputs, below(lesson, 0.6), SPEC, seed=1)
    assert np.array_equal(again.log_odds(lesson.inputs), odds)


def test_whatever_the_seed_its_level_is_that_of_what_it_has_learnt(lesson: Lesson) -> None:
    happened = below(lesson, 0.6)
    for seed in range(6):
        found = Perceptron.fit(lesson.inputs, happened, SPEC, seed)
        probability = 1 / (1 + np.exp(-found.log_odds(lesson.inputs)))
        assert probability.mean() == pytest.approx(happened.mean(), abs=0.008)


def test_things_beside_what_is_kept_are_learnt_from_and_not_answered(lesson: Lesson) -> None:
    happened = below(lesson, 0.6, 0.35, 0.45, 0.75, 0.85)
    found = Perceptron.fit(lesson.inputs, happened, SPEC, seed=1)
    assert found.weights[-1].shape == (8, 1)
    odds, slope = found.log_odds(lesson.inputs), lesson.inputs[:, 0] - lesson.inputs[:, 1]
    assert odds.shape == (len(slope), 1)
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


def test_its_median_follows_the_rows_and_stays_within_what_was_seen(lesson: Lesson) -> None:
    found = PerceptronMedian.fit(lesson, SPEC, seed=1)
    median = found.predict(lesson.inputs)
    slope = lesson.inputs[:, 0] - lesson.inputs[:, 1]
    assert np.median(median[slope > 4.0]) == pytest.approx(0.4, abs=0.04)
    assert np.median(median[slope < -4.0]) == pytest.approx(0.8, abs=0.04)
    assert ((median >= found.bounds[0]) & (median <= found.bounds[-1])).all()
    parts = [found.predict(lesson.inputs[at : at + 7]) for at in range(0, 700, 7)]
    assert np.array_equal(np.concatenate(parts), median[:700])


def test_answers_that_are_all_alike_are_the_median(lesson: Lesson) -> None:
    alike = Lesson(lesson.inputs, np.full(len(lesson.answers), 0.1))
    found = PerceptronMedian.fit(alike, SPEC, seed=1)
    assert found.predict(lesson.inputs[:50]) == pytest.approx(np.full(50, 0.1))

"""How trees and perceptron answer together."""

import numpy as np
import pytest

from ml.columns import Booleans, Floats
from ml.median import PerceptronMedian
from ml.mixture import MedianMixture, Mixture, mixed, mixed_median
from ml.perceptron import Perceptron

ROWS = 1000
SHARES = (0.0, 0.5, 1.0)
INPUTS, EVEN = np.zeros((ROWS, 1)), np.ones(ROWS)
random = np.random.default_rng(5)
CONGESTED, CHANGE = random.uniform(size=ROWS) < 0.3, random.normal(0.0, 0.1, ROWS)


class Says:
    """Trees that say what they are told."""

    def __init__(self, answers: Floats) -> None:
        self.answers = answers

    def predict(self, inputs: Floats) -> Floats:
        return self.answers[: len(inputs)]


class Knows(Perceptron):
    """A perceptron that says what it is told."""

    def __init__(self, odds: Floats) -> None:
        object.__setattr__(self, "odds", odds)

    def log_odds(self, inputs: Floats) -> Floats:
        odds: Floats = vars(self)["odds"]
        return odds[: len(inputs)]


def sure(congested: Booleans) -> Knows:
    return Knows(np.where(congested, 9.0, -9.0)[:, None])


def median(values: Floats) -> PerceptronMedian:
    """A perceptron that knows of each row between which two of its bounds the median lies."""
    bounds = np.linspace(-1.0, 1.0, 401)
    return PerceptronMedian(Knows(np.where(bounds > values[:, None], 1.0, -1.0)), bounds)


IGNORANT, KNOWING = Says(np.full(ROWS, 0.5)), Says(CONGESTED.astype(np.float64))


def test_a_probability_has_the_share_that_suits_rows_that_neither_has_seen() -> None:
    found, said = mixed(IGNORANT, sure(CONGESTED), SHARES, INPUTS, CONGESTED)
    assert isinstance(found, Mixture)
    assert found.share == 1.0
    assert np.array_equal(found.predict(INPUTS), said)
    assert np.array_equal(said > 0.5, CONGESTED)
    half = Mixture(KNOWING, sure(~CONGESTED), 0.5).predict(INPUTS)
    assert np.array_equal(half > 0.5, CONGESTED)  # the surer one decides
    trees, said = mixed(KNOWING, Knows(np.zeros((ROWS, 1))), SHARES, INPUTS, CONGESTED)
    assert trees is KNOWING
    assert said == pytest.approx(CONGESTED.astype(np.float64), abs=1e-5)


def test_a_median_has_the_share_that_suits_rows_that_neither_has_seen() -> None:
    still, moved = Says(np.zeros(ROWS)), Says(CHANGE)
    found, said = mixed_median(still, median(CHANGE), SHARES, INPUTS, CHANGE, EVEN)
    assert isinstance(found, MedianMixture)
    assert found.share == 1.0
    assert np.array_equal(found.predict(INPUTS), said)
    assert said == pytest.approx(CHANGE, abs=0.005)
    trees, said = mixed_median(moved, median(np.zeros(ROWS)), SHARES, INPUTS, CHANGE, EVEN)
    assert trees is moved
    assert np.array_equal(said, CHANGE)


def test_errors_of_a_median_count_by_their_weight() -> None:
    for_few = median(np.where(CONGESTED, CHANGE, CHANGE + 0.5))
    for_most = Says(np.where(CONGESTED, CHANGE + 0.5, CHANGE))
    heavy = np.where(CONGESTED, 100.0, 1.0)
    assert mixed_median(for_most, for_few, (0.0, 1.0), INPUTS, CHANGE, EVEN)[0] is for_most
    found, _ = mixed_median(for_most, for_few, (0.0, 1.0), INPUTS, CHANGE, heavy)
    assert isinstance(found, MedianMixture)

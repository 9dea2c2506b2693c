"""A small neural network whose answer to a row does not depend on the rows beside it."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.neural_network import MLPClassifier

from ml.columns import Booleans, Floats
from ml.threads import keep_blas_to_one
from specs.ml import PerceptronSpec

FAR = 5.0
"""Standard deviations from the mean; an input counts as no further."""

VALUE_UNIT, WEIGHT_UNIT = 2.0**10, 2.0**16
"""Parts of 1 that values and weights are whole numbers of."""

LARGEST_VALUE, LARGEST_WEIGHT = 2.0**20, 2.0**19
"""In these units; of `specs.ml.MOST_NEURONS` products the sum stays below 2 ** 53."""


@dataclass(frozen=True, eq=False)
class Perceptron:
    """A fitted network in whole numbers: sums of them are exact, whatever order a batch asks for.

    ``centre`` and ``scale`` [features] standardise the inputs; ``weights`` are a layer's [in, out],
    ``biases`` its [out].
    """

    centre: Floats
    scale: Floats
    weights: list[Floats]
    biases: list[Floats]

    @classmethod
    def fit(
        cls, inputs: Floats, happened: Booleans, spec: PerceptronSpec, seed: int, kept: int = 1
    ) -> Self:
        """Learn by Adam, in ever smaller steps, the log-odds of several things at once.

        What is unknown of a row counts as the mean.

        Source of the steps: Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm
        restarts, of which this is one period.

        Args:
            inputs: of rows to learn from, [n, features].
            happened: in these rows, [n, things].
            spec: layers, steps and their length.
            seed: the same rows and seed give the same network.
            kept: so many of the things, the first, are answered later; the others only teach.
        """
        known = ~np.isnan(inputs)
        count = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, inputs, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, inputs - centre, 0.0) ** 2).sum(axis=0) / count)
        scale = np.where(spread > 0, spread, 1.0)
        values = (_standard(inputs, centre, scale) / VALUE_UNIT).astype(np.float32)
        network = MLPClassifier(
            spec.hidden, alpha=spec.l2, batch_size=min(spec.batch_rows, len(values)),
            learning_rate_init=spec.learning_rate,
            random_state=np.random.RandomState(seed),  # of a number each epoch is in one order
        )  # fmt: skip
        answers, things = happened.astype(np.int64), happened.shape[1]
        keep_blas_to_one()
        for epoch in range(spec.epochs):
            if epoch:  # before the first there is no optimizer
                network._optimizer.learning_rate_init = spec.learning_rate * _fallen(epoch, spec)
            network.partial_fit(
                values, answers if things > 1 else answers[:, 0], classes=[*range(max(things, 2))]
            )
        weights = [*network.coefs_[:-1], network.coefs_[-1][:, :kept]]
        biases = [*network.intercepts_[:-1], network.intercepts_[-1][:kept]]
        return cls(
            centre, scale,
            [_whole(layer, WEIGHT_UNIT, LARGEST_WEIGHT) for layer in weights],
            [_whole(layer, WEIGHT_UNIT * VALUE_UNIT, LARGEST_WEIGHT * VALUE_UNIT)
             for layer in biases],
        )  # fmt: skip

    def log_odds(self, inputs: Floats) -> Floats:
        """Of each thing that is answered in each row of ``inputs`` [n, features]; [n, kept]."""
        keep_blas_to_one()
        values = _standard(inputs, self.centre, self.scale)
        for weights, biases in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values = values @ weights
            values += biases
            values /= WEIGHT_UNIT
            np.rint(values, out=values)
            np.clip(values, 0.0, LARGEST_VALUE, out=values)
        odds: Floats = values @ self.weights[-1] + self.biases[-1]
        odds /= WEIGHT_UNIT * VALUE_UNIT
        return odds


def _fallen(epoch: int, spec: PerceptronSpec) -> float:
    """What is left of the first step's length in ``epoch``: half a cosine over all epochs.

    Steps that stay long leave the level of all answers to where the last few happened to lead.
    """
    return 0.5 * (1 + math.cos(math.pi * epoch / spec.epochs))


def _standard(inputs: Floats, centre: Floats, scale: Floats) -> Floats:
    """Inputs in standard deviations, in `VALUE_UNIT`; what is unknown lies at the mean.

    In place from the second step on: new memory for each would cost more than the step.
    """
    values = inputs - centre
    values /= scale
    np.clip(values, -FAR, FAR, out=values)
    values *= VALUE_UNIT
    np.rint(values, out=values)
    np.copyto(values, 0.0, where=np.isnan(values))
    return values


def _whole(layer: Floats, unit: float, largest: float) -> Floats:
    return np.clip(np.rint(layer.astype(np.float64) * unit), -largest, largest)

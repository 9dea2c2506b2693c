"""A small champion that every group of tests may score with."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.score import LoadedModel


def wave_champion() -> "LoadedModel":
    """Version 7 of a model that has seen speeds rise and fall between 25 and 95 km/h."""
    from ml.score import LoadedModel
    from ml.train import train
    from tests.unit.ml.tables import SPECS, segments, silver, small_specs

    roads = segments({"a": 100.0, "b": 100.0})
    waves = [
        (name, window, 60 + 35 * math.sin(window / period))
        for name, period in (("a", 7), ("b", 11))
        for window in range(10 * 288)
    ]
    model = train(silver(waves), roads, small_specs()).model
    return LoadedModel("congestion", 7, model, SPECS.tables["gold.congestion_scores"])

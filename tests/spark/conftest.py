"""One Spark session and one model for all tests of this group."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lakehouse.settings import Settings
from lakehouse.spark import session

if TYPE_CHECKING:
    from ml.score import LoadedModel


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[object]":
    home = tmp_path_factory.mktemp("spark-home")
    running = session(Settings(home=home, spark_driver_memory="1g"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def champion() -> "LoadedModel":
    """Version 7 of a model that has seen speeds rise and fall between 25 and 95 km/h."""
    import math

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

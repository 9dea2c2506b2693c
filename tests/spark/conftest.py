"""One Spark session and one model for all tests of this group."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lakehouse.settings import Settings
from lakehouse.spark import session
from tests.champion import wave_champion

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
    return wave_champion()

"""One Spark session for all tests of this group."""

from collections.abc import Iterator

import pytest

from lakehouse.settings import Settings
from lakehouse.spark import session


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[object]":
    home = tmp_path_factory.mktemp("spark-home")
    running = session(Settings(home=home, spark_driver_memory="1g"))
    yield running
    running.stop()

"""One Kafka and one MLflow for all tests of this group that do not stop them."""

from collections.abc import Iterator

import pytest

from ingestion.records import Truth
from ingestion.topics import TopicAdmin
from lakehouse.runtime.stack import running
from lakehouse.settings import Settings
from specs.loader import Specs
from tests.stack.city import HISTORY, START, City


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of the servers, by name."""
    home = tmp_path_factory.mktemp("servers")
    with running(Settings(home=home, kafka_port=0, mlflow_port=0)) as endpoints:
        yield endpoints


@pytest.fixture(scope="session")
def kafka(servers: dict[str, str]) -> str:
    return servers["kafka"]


@pytest.fixture(scope="session")
def city(kafka: str, specs: Specs) -> City:
    """Two days of the city on the topic, disturbed."""
    with TopicAdmin(kafka, specs.ops.retries.unavailable) as admin:
        admin.create(specs)
    made = City(kafka, specs, Truth())
    assert sum(end for _, end in made.offsets().values()) == 0, "these tests count the whole topic"
    made.history = made.send(START, HISTORY)
    return made

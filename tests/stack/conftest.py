"""One Kafka and one MLflow for all tests of this group that do not stop them."""

from collections.abc import Iterator

import pytest

from lakehouse.runtime.stack import running
from lakehouse.settings import Settings


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of the servers, by name."""
    home = tmp_path_factory.mktemp("servers")
    with running(Settings(home=home, kafka_port=0, mlflow_port=0)) as endpoints:
        yield endpoints


@pytest.fixture(scope="session")
def kafka(servers: dict[str, str]) -> str:
    return servers["kafka"]

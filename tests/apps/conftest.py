"""One Trino for all tests of this group, on a copy of the demo's tables."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.runtime.stack import down, endpoints, up
from lakehouse.runtime.trino import TRINO
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from lakehouse.trino.client import Client, Endpoint
from specs.loader import Specs

DEMO = Path(os.environ.get("TRAFFIC_TEST_DEMO", ".traffic/demo")) / "lake"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home with the demo's tables and Trino up; a commit here does not reach the demo."""
    assert DEMO.exists(), f"{DEMO} is absent; make it with `make demo`"
    settings = Settings(home=tmp_path_factory.mktemp("apps"), trino_port=0)
    shutil.copytree(DEMO, settings.lake, copy_function=os.link)
    try:
        up(settings, [TRINO])
        yield settings
    finally:
        down(settings)


@pytest.fixture
def trino(settings: Settings) -> str:
    """Trino's address now; a test that restarts it gives it another."""
    return endpoints(settings.home)["trino"]


@pytest.fixture
def client(trino: str) -> Iterator[Client]:
    with Client(Endpoint(trino, "engineer")) as client:
        yield client


@pytest.fixture
def served(settings: Settings, specs: Specs) -> Lake:
    """The tables that Trino reads."""
    return Lake(settings.lake, specs)

"""What every group of tests shares: the specs, a lake in a folder of its own, the servers."""

from pathlib import Path

import pytest
from hypothesis import settings

from lakehouse.tables import Lake
from specs.loader import Specs, load_specs

settings.register_profile("shared machine", deadline=None)  # how long one example takes is chance
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def specs() -> Specs:
    return load_specs()


@pytest.fixture
def lake(tmp_path: Path, specs: Specs) -> Lake:
    return Lake(tmp_path / "lake", specs)

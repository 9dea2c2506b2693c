"""What every group of tests shares: the specs, a lake in a folder of its own, the servers."""

from pathlib import Path

import pytest

from lakehouse.tables import Lake
from specs.loader import Specs, load_specs


@pytest.fixture(scope="session")
def specs() -> Specs:
    return load_specs()


@pytest.fixture
def lake(tmp_path: Path, specs: Specs) -> Lake:
    return Lake(tmp_path / "lake", specs)

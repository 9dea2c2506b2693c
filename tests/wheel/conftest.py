"""The wheel, and an environment far from the repository that has it installed."""

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse.artifacts import ROOT

SECONDS = 300.0


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and a folder to work in, far from the repository."""

    folder: Path
    programs: Path

    def run(
        self, program: str, *arguments: str, seconds: float = SECONDS
    ) -> "subprocess.CompletedProcess[str]":
        away = {"PYTHONPATH", "VIRTUAL_ENV", "TRAFFIC_HOME"}
        environment = {name: value for name, value in os.environ.items() if name not in away}
        return subprocess.run(
            [self.programs / program, *arguments], cwd=self.folder, env=environment,
            capture_output=True, text=True, check=False, timeout=seconds,
        )  # fmt: skip

    def traffic(self, *arguments: str) -> str:
        done = self.run("traffic", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


def uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--out-dir", str(folder))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A new environment: the wheel alone, and by reference the packages that uv.lock pins."""
    folder = tmp_path_factory.mktemp("outside")
    uv("venv", "--python", sys.executable, str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--no-deps", "--python", str(python), str(wheel))
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    # its own .pth files, and so our editable install, are not read from there
    (site / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(folder, python.parent)

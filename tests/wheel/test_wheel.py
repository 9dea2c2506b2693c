"""The wheel is whole: installed outside the repository, it has its data, specs and pins inside."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse.artifacts import ROOT

SECONDS = 300.0
NYC_LINKS = 138
INSIDE = {
    "ingestion/data/nyc_dot/ATTRIBUTION.md", "ingestion/data/nyc_dot/links.parquet",
    "ingestion/data/nyc_dot/link_edges.parquet",
    "ingestion/data/nyc_dot/link_speed_2018-03-05_2018-03-18.parquet",
    "lakehouse/runtime/artifacts.yaml", "lakehouse/serving/static/index.html", "quality/docs.css",
}  # fmt: skip


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and a folder to work in, far from the repository."""

    folder: Path
    programs: Path

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        away = {"PYTHONPATH", "VIRTUAL_ENV", "TRAFFIC_HOME"}
        environment = {name: value for name, value in os.environ.items() if name not in away}
        return subprocess.run(
            [self.programs / program, *arguments], cwd=self.folder, env=environment,
            capture_output=True, text=True, check=False, timeout=SECONDS,
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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--out-dir", str(folder))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
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


def test_the_wheel_holds_what_the_program_reads_and_no_documents(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= INSIDE
    read = {str(path.relative_to(ROOT)) for path in (ROOT / "specs").rglob("*.yaml")}
    assert names >= read
    templates = ROOT / "lakehouse" / "scaffold" / "templates"
    assert names >= {str(path.relative_to(ROOT)) for path in templates.iterdir()}
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"specs", "ingestion", "lakehouse", "ml", "quality", "benchmarks"}
    assert [name for name in names if name.startswith("specs/") and name.endswith(".md")] == []
    assert [name for name in names if name.startswith("specs/speckit")] == []


def test_the_code_that_runs_is_the_wheels(installed: Installed) -> None:
    where = "import lakehouse, specs; print(lakehouse.__file__, specs.__file__)"
    for path in installed.run("python", "-c", where).stdout.split():
        assert Path(path).is_relative_to(installed.folder / "venv")


def test_help_and_specs_are_there_without_a_clone(installed: Installed) -> None:
    assert "Commands:" in installed.traffic("--help")
    told = json.loads(installed.traffic("specs", "check", "--json"))
    assert (told["faults"], told["tables"] > 10) == ([], True)


def test_the_packages_that_it_asks_for_are_the_locked_ones(installed: Installed) -> None:
    looked = json.loads(installed.run("traffic", "doctor", "--json").stdout)
    (packages,) = [one for one in looked if one["what"] == "packages"]
    assert packages["state"] == "ok", packages


def test_real_rows_are_written_and_read_from_the_data_inside(installed: Installed) -> None:
    assert json.loads(installed.traffic("segment", "load", "nyc_dot")) == {
        "rows_written": NYC_LINKS
    }
    counted = "SELECT count(*) AS links FROM road_segment"
    assert json.loads(installed.traffic("query", counted, "--json")) == [{"links": NYC_LINKS}]
    assert (installed.folder / ".traffic" / "lake").is_dir()


def test_a_stub_is_scaffolded_from_the_templates_inside(installed: Installed) -> None:
    made = installed.traffic("scaffold", "service", "mine").split()
    assert made == ["mine.py", "test_mine.py"]
    assert (installed.folder / "mine.py").is_file()


@pytest.mark.parametrize("command", [("specs", "build"), ("specs", "diff", "HEAD")])
def test_what_needs_a_clone_says_so(command: tuple[str, ...], installed: Installed) -> None:
    done = installed.run("traffic", *command)
    assert done.returncode == 2
    assert "clone" in done.stderr
    assert "Traceback" not in done.stderr

"""The wheel is whole: installed outside the repository, it has its data, specs and pins inside."""

import json
import zipfile
from pathlib import Path

import pytest

from lakehouse.artifacts import ROOT
from tests.wheel.conftest import Installed

NYC_LINKS = 138
INSIDE = {
    "ingestion/data/nyc_dot/ATTRIBUTION.md", "ingestion/data/nyc_dot/links.parquet",
    "ingestion/data/nyc_dot/link_edges.parquet",
    "ingestion/data/nyc_dot/link_speed_2018-03-05_2018-03-18.parquet",
    "lakehouse/runtime/artifacts.yaml", "lakehouse/serving/static/index.html", "quality/docs.css",
}  # fmt: skip


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

"""A scaffolded program works as it is: its own test passes, on what the specs say today."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehouse.artifacts import ROOT
from lakehouse.cli import app
from lakehouse.scaffold.stub import Kind, scaffold
from specs.errors import WrongInput
from specs.loader import Specs


def run_tests(folder: Path) -> "subprocess.CompletedProcess[str]":
    """The scaffolded tests in a process of their own, outside the repository."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", Kind)
def test_a_scaffolded_test_passes(kind: Kind, tmp_path: Path) -> None:
    into = tmp_path / "new" / "folder"
    made = CliRunner().invoke(app, ["scaffold", kind, "my_own", "--into", str(into)])
    assert made.exit_code == 0, made.output
    assert made.stdout.split() == [str(into / "my_own.py"), str(into / "test_my_own.py")]
    done = run_tests(into)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "sound", "wrong"), [
    (Kind.PRODUCER, '"speed_kmh": reading.get("speed_kmh")', '"speed_kmh": "fast"'),
    (Kind.PROCESSOR, 'row["revision"] >', 'row["revision"] >='),
    (Kind.SERVICE, "ORDER BY window_start DESC", "ORDER BY window_start ASC"),
])  # fmt: skip
def test_a_scaffolded_test_fails_where_its_program_breaks_the_contract(
    kind: Kind, sound: str, wrong: str, tmp_path: Path, specs: Specs
) -> None:
    stub, _ = scaffold(kind, "my_own", tmp_path, specs)
    assert stub.read_text().count(sound) == 1
    stub.write_text(stub.read_text().replace(sound, wrong))
    done = run_tests(tmp_path)
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize("kind", Kind)
def test_what_is_scaffolded_is_in_our_style(kind: Kind, tmp_path: Path, specs: Specs) -> None:
    scaffold(kind, "my_own", tmp_path, specs)
    ruff = [sys.executable, "-m", "ruff"]
    ours = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
    tests_may = [
        "--extend-per-file-ignores",
        "**/test_*.py:D,**/test_*.py:S",
    ]  # as in pyproject.toml
    for task in (["check", *tests_may], ["format", "--check"]):
        done = subprocess.run(
            [*ruff, *task, *ours], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["My", "my-city", "2nd", "class", "", "a/b"])
def test_a_name_that_no_module_can_have_is_refused(name: str, tmp_path: Path, specs: Specs) -> None:
    with pytest.raises(WrongInput, match="as in my_service"):
        scaffold(Kind.SERVICE, name, tmp_path, specs)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_written_over(tmp_path: Path, specs: Specs) -> None:
    (tmp_path / "test_mine.py").write_text("kept")
    with pytest.raises(WrongInput, match="is there already"):
        scaffold(Kind.PRODUCER, "mine", tmp_path, specs)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]
    assert (tmp_path / "test_mine.py").read_text() == "kept"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, specs: Specs) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongInput, match=r"file.* cannot be written to"):
        scaffold(Kind.PRODUCER, "mine", tmp_path / "file", specs)

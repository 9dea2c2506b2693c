"""`make speckit` in a project of its own, and a change of the specs through the workflow."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.artifacts import ROOT

PROGRAMS = Path(sys.executable).parent
SECONDS = 900.0
KPI = "specs/schemas/tables/gold.network_kpi.yaml"
PROMISES = "specs/system.yaml"


@dataclass(frozen=True)
class Project:
    """A copy of the repository with Spec Kit installed, whose `traffic` is its own."""

    folder: Path

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(self.folder),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }  # fmt: skip
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False, timeout=SECONDS,
        )  # fmt: skip

    def specify(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run(".specify/.venv/bin/specify", *arguments)

    def workflow(self, *arguments: str) -> dict[str, Any]:
        """The outcome of `specify workflow ...`, with the state it kept of every step."""
        done = self.specify("workflow", *arguments, "--json")
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout)
        state = self.folder / ".specify/workflows/runs" / outcome["run_id"] / "state.json"
        return outcome | {"steps": json.loads(state.read_text())["step_results"]}

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, path
        (self.folder / path).write_text(text.replace(old, new))

    def changed(self) -> list[str]:
        """Files that differ from the last commit."""
        return self.run("git", "diff", "--name-only").stdout.split()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Every file of the repository, committed, and what `make speckit` adds."""
    folder = tmp_path_factory.mktemp("project")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(PROGRAMS.parent)  # what `make install` made
    made = Project(folder)
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for step in (("init", "-q"), ("add", "--all"), (*author, "commit", "-q", "-m", "before")):
        done = made.run("git", *step)
        assert done.returncode == 0, done.stderr
    done = made.run("make", "--old-file=.venv/installed", "speckit")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(autouse=True)
def unedited(project: Project) -> Iterator[None]:
    """Every test begins with the files as they were committed."""
    yield
    project.run("git", "checkout", "-q", "--", ".")


def test_the_constitution_stays_ours_and_nothing_of_spec_kit_is_for_git(project: Project) -> None:
    assert project.run("git", "status", "--porcelain").stdout == ""
    written = project.folder / ".specify"
    assert (written / "templates/spec-template.md").is_file()
    kept = project.run("git", "ls-files", ".specify").stdout.split()
    assert kept == [".specify/memory/constitution.md"]


def test_the_agent_gets_our_commands_and_our_templates(project: Project) -> None:
    commands = {path.name for path in (project.folder / ".specify/agent/commands").iterdir()}
    for name in ("check", "diff", "build"):
        assert f"speckit.traffic.{name}.md" in commands
        page = (project.folder / f".specify/agent/commands/speckit.traffic.{name}.md").read_text()
        assert f"traffic specs {name}" in page
    hooks = yaml.safe_load((project.folder / ".specify/extensions.yml").read_text())["hooks"]
    assert {one["command"] for hook in hooks.values() for one in hook} == {
        "speckit.traffic.check", "speckit.traffic.diff", "speckit.traffic.build"
    }  # fmt: skip
    for template in ("spec", "plan", "tasks"):
        found = project.specify("preset", "resolve", f"{template}-template").stdout
        assert "presets/traffic/templates" in found.replace("\n", "")


def test_a_change_is_checked_told_and_built(project: Project) -> None:
    project.edit(KPI, "How a whole network stands in one window.", "A network in one window.")
    outcome = project.workflow("run", "traffic-specs")
    assert outcome["status"] == "completed"
    steps = outcome["steps"]
    assert steps["diff"]["output"]["data"]["meaning"] == "compatible"
    assert "word" not in steps
    changed = project.changed()
    assert {KPI, "contracts/gold.odcs.yaml", "docs/data-dictionary.md"} <= set(changed)
    assert sorted(steps["diff"]["output"]["data"]["files"]) == sorted(set(changed) - {KPI})


def test_specs_that_contradict_each_other_stop_it_before_anything_is_made(
    project: Project,
) -> None:
    project.edit(KPI, "key: [source, window_start]", "kye: [source, window_start]")
    outcome = project.workflow("run", "traffic-specs")
    assert outcome["status"] == "failed"
    assert outcome["steps"].keys() == {"check"}
    assert "gold.network_kpi.yaml" in outcome["steps"]["check"]["output"]["stderr"]
    assert project.changed() == [KPI]


def test_a_breaking_change_waits_for_a_persons_word(project: Project) -> None:
    project.edit(PROMISES, "p95_seconds, at_most: 2.0,", "p95_seconds, at_most: 3.0,")
    outcome = project.workflow("run", "traffic-specs")
    assert outcome["status"] == "paused", outcome
    assert outcome["steps"]["diff"]["output"]["data"]["meaning"] == "breaking"
    assert project.changed() == [PROMISES]
    ended = project.workflow("resume", outcome["run_id"], "--input", "verdict=reject")
    assert ended["status"] == "aborted"
    assert project.changed() == [PROMISES]

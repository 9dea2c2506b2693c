"""What the pages say to type does what they say, in one clone and one home, page after page."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.artifacts import ROOT
from lakehouse.runtime.server import free_port
from lakehouse.settings import Settings
from tests.docs.accidents import ACCIDENTS, RUNBOOK
from tests.pages import PAGES, Block, blocks, differs
from tests.programs import program

# Pages that go on in one home. What a page sends is never too late for the stream, which has one
# clock for all cities: so the newest event times come last.
HOMES = {
    "newcomer": [
        "docs/tutorial.md", "docs/api.md", "docs/add-a-model.md", "docs/add-a-metric.md",
        "docs/add-a-rule.md", "docs/add-your-city.md",
    ],
    "part by part": ["README.md", "docs/reliability.md", "CONTRIBUTING.md"],
    "on call": ["docs/operations.md"],
}  # fmt: skip
BLOCK_SECONDS = 900
KEPT = {"TRAFFIC_CACHE", "TRAFFIC_MAVEN_URL", "TRAFFIC_JAVA_HOME"}
PORTS = (
    "kafka_port", "mlflow_port", "api_port", "prometheus_port", "alertmanager_port",
    "exporter_port",
)  # fmt: skip
PROGRAMS = {"docs/operations.md": ("prometheus", "prometheus-alertmanager")}


class Clone:
    """A clone of the repository as it stands here, where the pages' commands are typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = ""
        self._ports = {str(Settings.model_fields[name].default): str(free_port()) for name in PORTS}
        names = dict(zip(PORTS, self._ports.values(), strict=True))
        self.environment = {
            **{name: text for name, text in os.environ.items()
               if name[:8] != "TRAFFIC_" or name in KEPT},
            **{f"TRAFFIC_{name.upper()}": port for name, port in names.items()},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder), "COLUMNS": "80", "NO_COLOR": "1",
        }  # fmt: skip
        files = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard", at=ROOT)
        for name in files.split("\0"):
            if name and (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        self._git("init", "--quiet")
        self._git("add", "--all")
        identity = ["-c", "user.name=reader", "-c", "user.email=reader@example.org"]
        self._git(*identity, "commit", "--quiet", "--message", "As cloned")

    def _git(self, *arguments: str, at: Path | None = None, given: str | None = None) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=at or self.folder, check=True, text=True, input=given,
            stdout=subprocess.PIPE,
        ).stdout  # fmt: skip

    def reset(self) -> None:
        """The files as cloned; what is ignored, so the home, stays."""
        self._git("checkout", "--quiet", ".")
        self._git("clean", "--quiet", "--force", "-d")

    def here(self, text: str) -> str:
        """A page's text with the free ports of this run in place of the usual ones."""
        for usual, port in self._ports.items():
            text = text.replace(usual, port)
        return text

    def follow(self, block: Block) -> None:
        """Do what the block says and its mark asks for."""
        if block.mark == "file":
            path = self.folder / block.argument
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.mark == "run" and block.language == "diff":
            self._git("apply", "-", given=block.text)
        elif block.mark == "run":
            self.log = self.bash(block.text, f"{block}")
        elif block.mark == "output":
            wanted = self.here(block.text)
            assert not differs(wanted, self.log), f"{block} says\n{wanted}\nbut it is\n{self.log}"

    def bash(self, text: str, name: str) -> str:
        """Type this; what it printed, on both streams."""
        running = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", self.here(text)], cwd=self.folder,
            env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            printed, _ = running.communicate(timeout=BLOCK_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGTERM)
            printed, _ = running.communicate()
        except BaseException:  # the run is asked to end
            os.killpg(running.pid, signal.SIGTERM)
            raise
        assert running.returncode == 0, f"{name} ended with {running.returncode}:\n{printed}"
        print(f"--- {name}\n{printed}")
        return printed

    def close(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "lakehouse", "down"], cwd=self.folder, env=self.environment,
            check=True, timeout=BLOCK_SECONDS,
        )  # fmt: skip


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Clone]]:
    """The clone of each home, made when its first page needs it; one runs at a time."""
    made: dict[str, Clone] = {}
    try:
        yield made
    finally:
        for clone in made.values():
            clone.close()


def test_every_page_with_something_to_run_has_its_turn() -> None:
    runs = {page for page in PAGES if any(block.mark in {"run", "file"} for block in blocks(page))}
    assert runs == {page for pages in HOMES.values() for page in pages}


@pytest.mark.parametrize(
    ("home", "page"), [(home, page) for home, pages in HOMES.items() for page in pages]
)
def test_the_page_does_what_it_says(
    clones: dict[str, Clone], tmp_path_factory: pytest.TempPathFactory, home: str, page: str
) -> None:
    for name in PROGRAMS.get(page, ()):
        program(name)
    if home not in clones:
        for clone in clones.values():
            clone.close()
        clones[home] = Clone(tmp_path_factory.mktemp("traffic"))
    clones[home].reset()
    accidents = dict(ACCIDENTS) if page == RUNBOOK else {}
    for block in blocks(page):
        if block.section in accidents:
            clones[home].bash(accidents.pop(block.section), f"accident of {block}")
        clones[home].follow(block)
    assert accidents == {}, "no block is typed after these"

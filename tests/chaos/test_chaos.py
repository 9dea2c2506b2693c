"""What a plan holds, that failpoints fire where they say, and a few kills end to end."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lakehouse.failpoints import LOG, POINTS, VARIABLE, parsed
from specs.errors import WrongInput
from tests.chaos.plan import plan

ROOT = Path(__file__).parents[2]
CYCLES, SEED = 48, 161
"""A seed whose cycles come to every failpoint early, and to some random moments."""

WRITER = """
import sys
from pathlib import Path
from lakehouse.commit import Note
from lakehouse.tables import Lake
from specs.loader import load_specs
from tests.rows import metric, reading, table
lake = Lake(Path(sys.argv[1]), load_specs())
name, row = ("bronze.traffic_event", reading(0, 0)) if sys.argv[2] == "append" else (
    "silver.segment_metric", metric("s:a", 0))
rows = table(lake, name, [row])
for _ in range(2):
    getattr(lake.table(name), sys.argv[2])(rows, Note(job="test", spec_version="v"))
"""


def test_a_plan_is_the_seeds_alone_and_a_longer_one_begins_with_it() -> None:
    assert plan(30, seed=3) == plan(60, seed=3)[:30]
    assert plan(30, seed=3) != plan(30, seed=4)


def test_every_failpoint_comes_once_before_one_comes_twice() -> None:
    names = [c.failpoint.split("#")[0].split("@")[0] for c in plan(200, 1) if c.failpoint]
    assert set(names[: len(POINTS)]) == set(POINTS)
    assert max(Counter(names).values()) - min(Counter(names).values()) <= 1


@pytest.mark.stack
def test_after_a_kill_at_every_failpoint_the_tables_are_what_they_would_have_been(
    tmp_path: Path,
) -> None:
    report = run("tests.chaos", "--fast", "--cycles", str(CYCLES), folder=tmp_path, seed=SEED)
    assert report["failed"] == []
    assert report["cycles"] == CYCLES
    assert set(POINTS) <= set(report["by_failpoint"])


@pytest.mark.stack
def test_of_a_million_arbitrary_records_each_is_classified(tmp_path: Path) -> None:
    report = run("tests.chaos.fuzz", "--records", "1000000", folder=tmp_path, seed=0)
    assert report["faults"] == []
    assert report["records"] == 1_000_000
    assert report["accepted"] > 100_000
    assert len(report["dead_by_rule"]) > 15


def run(module: str, *arguments: str, folder: Path, seed: int) -> dict[str, Any]:
    """Run a module of ours; what it prints on its last line, as pytest shows what it says."""
    chosen = ["--seed", str(seed), "--folder", str(folder)]
    command = [sys.executable, "-m", module, *chosen, *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert done.stdout, f"{module} ended with exit code {done.returncode}"
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_no_cycle_waits_for_a_moment_that_cannot_come() -> None:
    points = {(c.kind, c.failpoint) for c in plan(3000, 1) if c.failpoint}
    assert ("correction", "merge.data_file_begun@gold.congestion_scores_history") in points
    assert ("correction", "merge.data_file_done@gold.congestion_scores") in points
    assert ("correction", "merge.data_file_done@gold.congestion_scores_history") not in points


def test_every_kind_of_process_is_killed() -> None:
    kinds = Counter(cycle.kind for cycle in plan(100, 1))
    assert set(kinds) == {"lander", "driver", "correction", "maintenance", "broker", "stream"}
    assert any(cycle.failpoint is None and cycle.kind == "lander" for cycle in plan(100, 1))


def test_every_step_is_in_the_code_and_no_other() -> None:
    sources = [path for room in ("lakehouse", "ingestion") for path in (ROOT / room).rglob("*.py")]
    named = {name for path in sources for name in re.findall(r'failpoint\("([a-z_.]+)"',
                                                              path.read_text())}  # fmt: skip
    operations = {name.split(".")[0] for name in POINTS} - {name.split(".")[0] for name in named}
    assert named <= set(POINTS)
    assert {name for name in POINTS if name.split(".")[0] not in operations} == named
    tables = (ROOT / "lakehouse" / "tables.py").read_text()
    assert set(re.findall(r'_operation\("([a-z_]+)"\)', tables)) == operations


@pytest.mark.parametrize("text", ["append", "append.nowhere", "append.begun#0", "append.begun=go"])
def test_a_misspelt_failpoint_is_refused(text: str) -> None:
    with pytest.raises(WrongInput):
        parsed(text)


def test_a_failpoint_names_table_count_and_signal() -> None:
    assert parsed("append.begun") == ("append.begun", None, 0, signal.SIGKILL)
    assert parsed("merge.done@silver.x#3=stop") == ("merge.done", "silver.x", 2, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("name", "commits", "data_files", "drafts"),
    [
        ("append.begun", 1, 0, 0),
        ("append.data_file_begun", 1, 0, 0),
        ("append.data_file_done", 2, 2, 0),  # not in the folder of a new day: nobody watches it
        ("append.log_begun", 1, 1, 1),
        ("append.log_done", 2, 1, 0),
        ("append.done", 2, 1, 0),
        ("merge.log_begun#2", 2, 2, 1),
        ("merge.log_done", 2, 1, 0),
    ],
)
def test_a_writer_is_killed_exactly_there(
    name: str, commits: int, data_files: int, drafts: int, tmp_path: Path
) -> None:
    operation = name.split(".", maxsplit=1)[0]
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    ended = subprocess.run(
        [sys.executable, script, tmp_path / "lake", operation], check=False, cwd=ROOT,
        env={VARIABLE: name, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL
    log = next((tmp_path / "lake").rglob(LOG))
    assert len(list(log.glob("*.json"))) == commits
    assert len(list(log.glob("*.json#*"))) == drafts
    assert len(list(log.parent.rglob("*.parquet"))) == data_files

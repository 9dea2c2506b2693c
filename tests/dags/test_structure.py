"""Every DAG imports, is planned in the specs, and asks our commands for what they can do."""

import ast
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from lakehouse.cli import app
from lakehouse.runtime import airflow
from lakehouse.settings import Settings
from specs.loader import Specs

ROOT = Path(__file__).parents[2]
SHAPE = Path(__file__).with_name("shape.py")
FOLDER = airflow.PROJECT / "dags"
NO_DAYS = {"from": None, "to": None, "source": None}
BACKFILLS: list[tuple[dict[str, Any], str, str]] = [
    (NO_DAYS | given, "2024-05-07T00:00:00+00:00", "2024-05-08T00:00:00+00:00")
    for given in (
        {}, {"from": "2024-05-08", "to": "2024-05-10", "source": "simulator"},
        {"from": "2024-05-08"}, {"from": "2024-05-10", "to": "2024-05-10"},
        {"from": "2024-01-01", "to": "2024-06-01"},
    )
]  # fmt: skip
"""Parameters and data interval of runs of `backfill_silver_gold`."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow's Python says of the DAGs; PYTHONPATH would put our root before it."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    patched = pytest.MonkeyPatch()
    patched.setenv("PYTHONPATH", str(ROOT))
    try:
        environment = airflow.environment(settings, 1)
    finally:
        patched.undo()
    done = subprocess.run(
        [str(airflow.PROGRAMS / "python"), "-P", str(SHAPE), str(FOLDER), json.dumps(BACKFILLS)],
        env=environment,
        capture_output=True, text=True, check=False, timeout=240, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    shape: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return shape


def tasks(found: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (dag_id, task_id, task)
        for dag_id, dag in found["dags"].items() for task_id, task in dag["tasks"].items()
    ]  # fmt: skip


def test_every_planned_dag_imports_and_no_other(found: dict[str, Any], specs: Specs) -> None:
    assert found["errors"] == {}
    assert set(found["dags"]) == set(specs.ops.airflow.dags)


def test_dags_see_the_package_and_not_our_folder(found: dict[str, Any]) -> None:
    assert "site-packages" in found["airflow"]
    assert str(ROOT) not in map(str, map(Path, found["path"]))
    assert "" not in found["path"]


def test_nothing_of_ours_imports_airflow() -> None:
    ours = [p for package in ("specs", "quality", "ml", "ingestion", "lakehouse", "benchmarks")
            for p in (ROOT / package).rglob("*.py")]  # fmt: skip
    assert len(ours) > 100
    for path in ours:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert "airflow" not in {name.partition(".")[0] for name in names}, path


def test_our_folder_is_no_package() -> None:
    assert list((ROOT / "airflow").glob("__init__.py")) == []
    assert list(FOLDER.glob("__init__.py")) == []


def test_each_dag_has_the_schedule_bounds_and_words_of_its_plan(
    found: dict[str, Any], specs: Specs
) -> None:
    for dag_id, plan in specs.ops.airflow.dags.items():
        dag = found["dags"][dag_id]
        assert dag["cron"] == plan.schedule
        assert dag["timeout_seconds"] == 60 * plan.run_minutes
        assert set(dag["tags"]) == {"traffic", *plan.tags}
        assert dag["description"] == plan.description
        assert len(dag["doc"].split()) > 20
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)


def test_each_task_has_an_owner_retries_a_timeout_and_words(
    found: dict[str, Any], specs: Specs
) -> None:
    plan = specs.ops.airflow
    for dag_id, task_id, task in tasks(found):
        assert task["owner"] == plan.owner, (dag_id, task_id)
        assert task["retries"] == plan.task_retries.attempts - 1
        assert task["retry_delay"] == plan.task_retries.first_wait_seconds
        assert task["retry_exponential_backoff"] == plan.task_retries.wait_factor
        assert task["max_retry_delay"] == plan.task_retries.max_wait_seconds
        assert 0 < task["execution_timeout"] <= 60 * plan.dags[dag_id].task_minutes
        assert len(task["doc_md"].split()) > 2


def test_each_command_exists_and_takes_the_options_it_is_given(found: dict[str, Any]) -> None:
    commands = [(i, t["bash_command"]) for _, i, t in tasks(found) if t["is_command"]]
    assert len(commands) > 10
    for task_id, text in commands:
        program, *words = shlex.split(text.replace('${SOURCE:+--source "$SOURCE"}', "--source x"))
        assert program == "${TRAFFIC_PROGRAM:-traffic}"
        command: click.Command = typer.main.get_command(app)  # type: ignore[assignment]
        while words and not words[0].startswith("-") and hasattr(command, "commands"):
            assert words[0] in command.commands, f"{task_id}: no command {words[0]!r}"
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word for word in words if word.startswith("-")}
        assert given <= known, f"{task_id}: {sorted(given - known)}"


def test_the_night_s_refresh_comes_when_the_last_windows_of_the_day_are_final(specs: Specs) -> None:
    minute, hour, *_ = specs.ops.airflow.dags["refresh_congestion"].schedule.split()
    assert int(hour) * 60 + int(minute) >= 60 * specs.ml.profile.refresh_hours


def test_gold_is_told_by_what_changes_it_and_heard_by_the_training(found: dict[str, Any]) -> None:
    tell = {dag_id for dag_id, _, task in tasks(found) if task["outlets"] == ["gold"]}
    assert tell == {"reconcile_late", "backfill_silver_gold"}
    heard = {
        name for name, dag in found["dags"].items() if dag["timetable"] == "AssetOrTimeSchedule"
    }
    assert heard == {"retrain_congestion"}


def test_a_backfill_takes_its_days_one_by_one(found: dict[str, Any], specs: Specs) -> None:
    own, asked, half, none, many = found["days"]
    assert own == [{"FROM": "2024-05-07", "TO": "2024-05-08"}]
    assert asked == [
        {"FROM": "2024-05-08", "TO": "2024-05-09", "SOURCE": "simulator"},
        {"FROM": "2024-05-09", "TO": "2024-05-10", "SOURCE": "simulator"},
    ]
    assert half == "give both `from` and `to`, or neither"
    most = specs.ops.airflow.max_backfill_days
    assert none == f"from 2024-05-10 to 2024-05-10 is 0 days; 1 to {most} can be asked for"
    assert many == f"from 2024-01-01 to 2024-06-01 is 152 days; 1 to {most} can be asked for"


def test_the_order_of_tasks(found: dict[str, Any]) -> None:
    order = {
        dag_id: {task_id: task["downstream"] for task_id, task in dag["tasks"].items()}
        for dag_id, dag in found["dags"].items()
    }
    assert order["platform"] == {"servers": ["topics"], "topics": ["health"], "health": []}
    assert order["backfill_silver_gold"] == {
        "days": ["gold", "silver"], "silver": ["gold"], "gold": [],
    }  # fmt: skip
    assert order["retrain_congestion"] == {
        "not_a_backfill": ["due"], "due": ["train"], "train": ["evaluate"],
        "evaluate": ["promote"], "promote": [],
    }  # fmt: skip

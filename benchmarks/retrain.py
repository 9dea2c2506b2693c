"""`traffic bench retrain`: how long the DAG that trains takes on the demo's two weeks."""

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from benchmarks.home import BenchHome, temporary_home
from benchmarks.live import say
from benchmarks.report import Result, audited
from lakehouse.audit import balance
from lakehouse.demo import LAST_DAY, SOURCE
from lakehouse.runtime.airflow import AIRFLOW, password_file
from lakehouse.runtime.airflow_api import AirflowApi
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.tables import Lake
from specs.errors import Unavailable

DAG = "retrain_congestion"
PARTITIONS = 4
RUN_SECONDS, POLL_SECONDS = 900.0, 1.0
AGE = timedelta(days=8)
"""Of the champion: its successor is due."""


def measure() -> Result:
    """Stream the demo's two weeks, score the last day, and have Airflow's scheduler retrain.

    The run does all that a weekly one does: a champion of last week has scored, so its outcomes are
    judged, and a challenger is trained and asked for.

    Raises:
        Unavailable: a server cannot be started, a command failed, or the run did not succeed.
    """
    with temporary_home((KAFKA, MLFLOW, AIRFLOW), PARTITIONS) as home:
        _make_history(home)
        api = AirflowApi(home.endpoints["airflow"], password_file(home.settings))
        say(f"switching {DAG} on")
        api.patch(f"/dags/{DAG}", is_paused=False)
        run = _ended_run(api)
        tasks = api.tasks(DAG, run["dag_run_id"])
        lake = Lake(home.settings.lake, home.specs)
        checks = balance(lake, home.offsets())
        rows = lake.table("silver.segment_metric").dataset().count_rows()
    states = {one["task_id"]: one["state"] for one in tasks}
    if run["state"] != "success" or states["train"] != "success":
        raise Unavailable(f"{DAG} has trained nothing: {run['state']}, {states}")
    return {
        "run_seconds": run_seconds(run),
        "seconds_by_task": {one["task_id"]: one["duration"] for one in tasks},
        "state_by_task": states,
        "silver_rows": rows,
        **audited(checks),
    }


def _make_history(home: BenchHome) -> None:
    """The demo's data, a champion who trained on it a while ago, and its scores of a day."""
    say("streaming the demo's two weeks")
    home.run("segment", "load", SOURCE)
    home.run("produce", "replay", "--source", SOURCE, "--json")
    home.run("land", "--once")
    home.run("stream", "--once")
    home.run("silver", "reconcile")
    say("training a champion and scoring the last day")
    home.run("model", "train", "--json")
    days = (LAST_DAY, LAST_DAY + timedelta(days=1))
    home.run("gold", "recompute", *_option("--from", days[0]), *_option("--to", days[1]))
    with closing(sqlite3.connect(home.settings.home / "mlflow" / "mlflow.db")) as registry:
        registry.execute(
            "UPDATE model_versions SET creation_time = creation_time - ?",
            (int(AGE / timedelta(milliseconds=1)),),
        )
        registry.commit()


def _option(name: str, at: datetime) -> tuple[str, str]:
    return name, at.strftime("%Y-%m-%dT%H:%M:%S")


def _ended_run(api: AirflowApi) -> dict[str, Any]:
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        for run in api.runs(DAG):
            if run["state"] in {"success", "failed"}:
                return run
        time.sleep(POLL_SECONDS)
    raise Unavailable(f"{DAG} has not ended after {RUN_SECONDS:g} s")


def run_seconds(run: Mapping[str, Any]) -> float:
    """From the moment at which the scheduler took it up to its end."""
    begun, ended = (datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
    return (ended - begun).total_seconds()

"""Each DAG run for real, by Airflow's own program, on a lake whose tables say what it did.

The tests go on where the one before ended: a training, two more days, a backfill, late readings.
"""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from lakehouse.checksum import Checksum, checksum
from lakehouse.jobs.reconcile import uncounted
from lakehouse.runtime import process
from lakehouse.runtime.pipeline import PIPELINE
from lakehouse.runtime.stack import SERVERS, up
from lakehouse.tables import Lake
from ml.registry import alias_versions, versions
from tests.dags.conftest import HISTORY, LATE, START, STREAMED, Lakehouse

pytestmark = pytest.mark.stack

SILVER, SCORES, KPI = "silver.segment_metric", "gold.congestion_scores", "gold.network_kpi"
PATIENCE_SECONDS = 300.0
ENDED = {"success", "failed"}
NOT_DUE = {"not_a_backfill": "success", "due": "skipped", "train": "skipped", "evaluate": "skipped",
           "promote": "skipped"}  # fmt: skip
"""Tasks of a run of `retrain_congestion` that trained and promoted nothing."""
TRAINED = NOT_DUE | {"due": "success", "train": "success", "evaluate": "success"}
"""Tasks of one that trained; no challenger was better yet."""


def wait_for(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def ended(lakehouse: Lakehouse, dag_id: str, run_type: str, count: int = 1) -> list[dict[str, Any]]:
    """The runs of that type, once there are so many and all have ended."""
    found: list[dict[str, Any]] = []

    def is_done() -> bool:
        found[:] = [run for run in lakehouse.runs(dag_id) if run["run_type"] == run_type]
        return len(found) >= count and all(run["state"] in ENDED for run in found)

    wait_for(is_done)
    return found


def told_by(lakehouse: Lakehouse, is_meant: Callable[[set[str]], bool]) -> list[str]:
    """Ended trainings that assets have set off, by the runs that told the assets."""
    found = []
    for run in lakehouse.runs("retrain_congestion"):
        if run["run_type"] == "asset_triggered" and run["state"] in ENDED:
            asked = f"/dags/retrain_congestion/dagRuns/{run['dag_run_id']}/upstreamAssetEvents"
            events = lakehouse.get(asked)["asset_events"]
            if is_meant({event["source_run_id"] for event in events}):
                found.append(run["dag_run_id"])
    return found


def log_of(lakehouse: Lakehouse, name: str) -> str:
    return (lakehouse.settings.log / f"{name}.log").read_text()


def late_windows(lake: Lake) -> list[datetime]:
    """Starts of final windows whose readings silver has not counted."""
    ends = lake.table(SILVER).read(columns=["window_end"], where=pc.field("is_final"))
    size = timedelta(seconds=lake.specs.transforms.primary.size_seconds)
    count = (pc.max(ends["window_end"]).as_py() - START) // size
    assert count > 500
    return uncounted(lake, [START + number * size for number in range(count)])


def checksums(lake: Lake) -> dict[str, Checksum]:
    """Of the days of `STREAMED`."""
    return {name: checksum(lake, name, *STREAMED) for name in (SILVER, SCORES, KPI)}


def models(lakehouse: Lakehouse) -> set[int]:
    record = process.records(lakehouse.settings.run)["mlflow"]
    return {number for _, number in versions(record.endpoint, lakehouse.specs)}


@pytest.fixture(scope="module")
def more_days(lakehouse: Lakehouse) -> dict[str, Checksum]:
    """Two more days, streamed with the model until they are final; their checksums.

    With them come late readings of the days before.
    """
    begin, end = START + HISTORY, STREAMED[1] + timedelta(hours=2)
    lakehouse.land(begin, end - begin, "--duplicate", "0.02", "--seed", "5")
    lakehouse.land(START + LATE, timedelta(minutes=30), "--seed", "9")
    lakehouse.traffic("stream", "--once")
    return checksums(lakehouse.lake())


@pytest.fixture
def week_old(lakehouse: Lakehouse) -> None:
    """Makes the registry's models eight days older."""
    with closing(sqlite3.connect(lakehouse.settings.home / "mlflow" / "mlflow.db")) as registry:
        registry.execute("UPDATE model_versions SET creation_time = creation_time - 8 * 86400000")
        registry.commit()


@pytest.fixture
def switched_on(lakehouse: Lakehouse) -> Iterator[Callable[[str], None]]:
    """Switches a DAG on for the scheduler, and off again at the end."""
    switched: list[str] = []

    def switch_on(dag_id: str) -> None:
        switched.append(dag_id)
        lakehouse.patch(f"/dags/{dag_id}", is_paused=False)

    yield switch_on
    for dag_id in switched:
        lakehouse.patch(f"/dags/{dag_id}", is_paused=True)


def test_airflow_listens_on_loopback_alone_and_keeps_its_secrets(lakehouse: Lakehouse) -> None:
    members = process.members(lakehouse.settings.run)["airflow"]
    heard = [c.laddr.ip for m in members for c in m.net_connections() if c.status == "LISTEN"]
    assert set(heard) == {"127.0.0.1"}
    folder = lakehouse.settings.home / "airflow"
    files = [*folder.glob("*_key"), folder / "jwt_secret", folder / "passwords.json"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    secrets = [path.read_text() for path in files[:-1]]
    secrets += json.loads(files[-1].read_text()).values()
    assert len(secrets) == 4
    started = [m.environ() for m in members] + [{"log": log_of(lakehouse, "airflow")}]
    for variables in started:
        assert not any(secret in value for value in variables.values() for secret in secrets)


def test_the_scheduler_trains_once_however_often_gold_is_told(
    lakehouse: Lakehouse, switched_on: Callable[[str], None]
) -> None:
    assert models(lakehouse) == set()
    switched_on("retrain_congestion")
    ended(lakehouse, "retrain_congestion", "scheduled")
    assert models(lakehouse) == {1}

    switched_on("reconcile_late")
    (hourly,) = ended(lakehouse, "reconcile_late", "scheduled")
    assert hourly["state"] == "success"
    wait_for(lambda: told_by(lakehouse, lambda sources: hourly["dag_run_id"] in sources) != [])
    states = [
        lakehouse.tasks("retrain_congestion", run["dag_run_id"])
        for run in lakehouse.runs("retrain_congestion")
    ]
    assert states.count(TRAINED) == 1
    assert states.count(NOT_DUE) == len(states) - 1 > 0
    assert models(lakehouse) == {1}


def test_a_backfill_by_airflow_gives_the_streams_rows_and_sets_off_no_training(
    lakehouse: Lakehouse, more_days: dict[str, Checksum],
    switched_on: Callable[[str], None],
) -> None:  # fmt: skip
    assert min(found.rows for found in more_days.values()) >= 500
    begin, end = STREAMED
    for name, streamed in more_days.items():
        folder = lakehouse.lake().folder(name)
        within = f"window_start >= '{begin.isoformat()}' AND window_start < '{end.isoformat()}'"
        assert DeltaTable(folder).delete(within)["num_deleted_rows"] == streamed.rows
    assert {found.rows for found in checksums(lakehouse.lake()).values()} == {0}

    switched_on("retrain_congestion")
    switched_on("backfill_silver_gold")
    ended(lakehouse, "backfill_silver_gold", "scheduled")  # of yesterday, which has no readings
    before = {run["dag_run_id"] for run in lakehouse.runs("retrain_congestion")}
    lakehouse.airflow(
        "backfill", "create", "--dag-id", "backfill_silver_gold",
        "--from-date", f"{begin.date()}", "--to-date", f"{end.date() - timedelta(days=1)}",
        "--max-active-runs", "1",
    )  # fmt: skip
    runs = ended(lakehouse, "backfill_silver_gold", "backfill", 2)
    assert [run["state"] for run in runs] == ["success", "success"]
    assert checksums(lakehouse.lake()) == more_days

    def only_backfills(sources: set[str]) -> bool:
        return bool(sources) and all(source.startswith("backfill__") for source in sources)

    wait_for(lambda: told_by(lakehouse, only_backfills) != [])
    for run_id in told_by(lakehouse, only_backfills):
        states = lakehouse.tasks("retrain_congestion", run_id)
        assert (states, run_id not in before) == (NOT_DUE, True)
        for task_id in ("due", "promote"):
            asked = f"/dags/retrain_congestion/dagRuns/{run_id}/taskInstances/{task_id}"
            assert lakehouse.get(asked)["pid"] is None, f"{task_id} was not even asked"
    assert models(lakehouse) == {1}


def test_late_readings_are_brought_in(lakehouse: Lakehouse, more_days: dict[str, Checksum]) -> None:
    assert late_windows(lakehouse.lake()) != []
    states = lakehouse.run_here("reconcile_late")
    assert states == {"reconcile": "success", "lineage": "success"}
    assert late_windows(lakehouse.lake()) == []
    assert checksums(lakehouse.lake()) == more_days
    told = (lakehouse.settings.home / "lineage" / "events.jsonl").read_text().splitlines()
    jobs = {json.loads(line)["job"]["name"] for line in told}
    assert jobs >= {"land", "stream", "recompute", "train", "score"}


def test_a_day_that_is_right_already_is_left_alone(lakehouse: Lakehouse) -> None:
    before = {name: lakehouse.lake().table(name).version for name in (SILVER, SCORES, KPI)}
    states = lakehouse.run_here(
        "backfill_silver_gold", **{"from": "2024-05-08", "to": "2024-05-10", "source": "simulator"}
    )
    assert states == {
        "days": "success", "silver[0]": "success", "silver[1]": "success",
        "gold[0]": "success", "gold[1]": "success",
    }  # fmt: skip
    after = {name: lakehouse.lake().table(name).version for name in (SILVER, SCORES, KPI)}
    assert after == before


def test_a_week_later_a_challenger_is_trained_and_not_promoted_before_it_has_scored(
    lakehouse: Lakehouse, week_old: None
) -> None:
    assert lakehouse.run_here("retrain_congestion") == TRAINED
    record = process.records(lakehouse.settings.run)["mlflow"]
    aliases = alias_versions(record.endpoint, lakehouse.specs)
    assert aliases == {"champion": 1, "challenger": 2}
    told = json.loads(lakehouse.traffic("model", "promote", "--json"))
    assert (told["promoted"], told["model_version"]) == (False, 2)
    assert told["reasons"][0].startswith("0 live outcomes of both; ")


def test_the_champion_is_refreshed(lakehouse: Lakehouse) -> None:
    assert lakehouse.run_here("refresh_congestion") == {"refresh": "success"}
    record = process.records(lakehouse.settings.run)["mlflow"]
    aliases = alias_versions(record.endpoint, lakehouse.specs)
    assert aliases == {"champion": 3, "challenger": 2}


def test_what_was_refused_is_counted(lakehouse: Lakehouse) -> None:
    assert lakehouse.run_here("dlq_triage", at=datetime.now(UTC) + timedelta(hours=1)) == {
        "summary": "success"
    }
    (run, *_) = lakehouse.runs("dlq_triage")
    told = lakehouse.get(
        f"/dags/dlq_triage/dagRuns/{run['dag_run_id']}/taskInstances/summary/xcomEntries/return_value"
    )
    since, until = (run[f"data_interval_{end}"][:19] for end in ("start", "end"))
    printed = lakehouse.traffic("dlq", "summary", "--since", since, "--until", until, "--json")
    counted = told["value"]
    while isinstance(counted, str):  # the text as JSON, itself JSON
        counted = json.loads(counted)
    assert counted == json.loads(printed)
    whole = json.loads(lakehouse.traffic("dlq", "summary", "--json"))
    assert whole["records"] > 100


def test_the_day_is_reported(lakehouse: Lakehouse) -> None:
    refused = lakehouse.lake().table("bronze.dead_letter").read(columns=["failed_at"])
    newest = pc.max(refused["failed_at"]).as_py()
    reported_at = newest + timedelta(days=1, minutes=10)  # the run stands for the day before
    states = lakehouse.run_here("quality_report", at=reported_at)
    assert states == {"docs": "success", "report": "success"}
    (run, *_) = lakehouse.runs("quality_report")
    day = run["data_interval_start"][:10]
    assert day == f"{newest.date()}"
    folder = lakehouse.settings.home / "quality"
    page = (folder / f"report-{day}.html").read_text()
    assert f"<h1>Data quality of {day}</h1>" in page
    assert "value_is_json" in page
    assert (folder / "index.html").exists()


def test_a_killed_server_is_started_again_and_airflow_left_alone(lakehouse: Lakehouse) -> None:
    lander = next(one for one in PIPELINE if one.name == "lander")
    up(lakehouse.settings, [*SERVERS, lander])
    before = process.records(lakehouse.settings.run)
    for name in ("kafka", "lander"):
        os.kill(before[name].pid, signal.SIGKILL)
    states = lakehouse.run_here("platform")
    assert states == {"servers": "success", "topics": "success", "health": "success"}
    after = process.records(lakehouse.settings.run)
    assert after["kafka"].pid != before["kafka"].pid
    assert after["lander"].pid != before["lander"].pid
    assert after["airflow"] == before["airflow"]
    assert {state["state"] for state in json.loads(lakehouse.traffic("status", "--json"))} == {"up"}


def test_tables_are_maintained(lakehouse: Lakehouse) -> None:
    assert lakehouse.run_here("maintain_tables") == {"maintain": "success"}

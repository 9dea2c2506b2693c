"""Each DAG run for real, by Airflow's own program, on a lake whose tables say what it did.

The tests go on where the one before ended: a training, two more days, a backfill, a better model,
a week. What minds nobody runs beside others, as it would in service.
"""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable
from openlineage.client.generated import base

from lakehouse.checksum import Checksum, checksum
from lakehouse.jobs.reconcile import uncounted
from lakehouse.jobs.training import train_model
from lakehouse.runtime import process
from lakehouse.runtime.pipeline import PIPELINE
from lakehouse.runtime.stack import SERVERS, up
from lakehouse.tables import Lake
from ml.registry import (
    CHALLENGER,
    PREVIOUS,
    alias_versions,
    champion_version,
    set_alias,
    versions,
)
from tests.dags.conftest import HISTORY, LATE, START, STREAMED, Lakehouse
from tests.edited_specs import edited_specs
from tests.openlineage_schema import assert_is_a

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
        found[:] = [run for run in lakehouse.api.runs(dag_id) if run["run_type"] == run_type]
        return len(found) >= count and all(run["state"] in ENDED for run in found)

    wait_for(is_done)
    return found


def told_by(lakehouse: Lakehouse, is_meant: Callable[[set[str]], bool]) -> list[str]:
    """Ended trainings that assets have set off, by the runs that told the assets."""
    found = []
    for run in lakehouse.api.runs("retrain_congestion"):
        if run["run_type"] == "asset_triggered" and run["state"] in ENDED:
            asked = f"/dags/retrain_congestion/dagRuns/{run['dag_run_id']}/upstreamAssetEvents"
            events = lakehouse.api.get(asked)["asset_events"]
            if is_meant({event["source_run_id"] for event in events}):
                found.append(run["dag_run_id"])
    return found


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


def registry(lakehouse: Lakehouse) -> str:
    return process.records(lakehouse.settings.run)["mlflow"].endpoint


def models(lakehouse: Lakehouse) -> set[int]:
    return {number for _, number in versions(registry(lakehouse), lakehouse.specs)}


def aliases(lakehouse: Lakehouse) -> dict[str, int]:
    return alias_versions(registry(lakehouse), lakehouse.specs)


@pytest.fixture(scope="module")
def beside() -> Iterator[ThreadPoolExecutor]:
    """For what runs while a test waits for something else."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


def put_before_the_champion(lakehouse: Lakehouse, folder: Path) -> None:
    """Train a champion that calls congested what is only slow; the one before is challenger."""
    edit = ("ml.yaml", "congested_below_ratio: 0.6", "congested_below_ratio: 0.8")
    mistaken = Lake(lakehouse.settings.lake, edited_specs(folder, edit))
    uri = registry(lakehouse)
    before = champion_version(uri, lakehouse.specs)
    train_model(mistaken, uri, as_champion=True)
    set_alias(uri, lakehouse.specs, CHALLENGER, before)
    set_alias(uri, lakehouse.specs, PREVIOUS, None)  # nobody to roll back to


@pytest.fixture(scope="module")
def more_days(
    lakehouse: Lakehouse, beside: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Checksum]:
    """Two more days, streamed until they are final; their checksums.

    A mistaken model scores them, and a better one in its shadow. With them come late readings of
    the days before. The nightly backfill of yesterday, which has no readings, runs meanwhile.
    """
    lakehouse.api.patch("/dags/backfill_silver_gold", is_paused=False)
    folder = tmp_path_factory.mktemp("mistaken")
    training = beside.submit(put_before_the_champion, lakehouse, folder)
    begin, end = START + HISTORY, STREAMED[1] + timedelta(hours=2)
    lakehouse.produce(begin, end - begin, "--duplicate", "0.02", "--seed", "5")
    lakehouse.produce(START + LATE, timedelta(minutes=30), "--seed", "9")
    lakehouse.traffic("land", "--once")
    training.result()
    lakehouse.traffic("stream", "--once")
    set_alias(registry(lakehouse), lakehouse.specs, CHALLENGER, None)  # until it is its turn
    ended(lakehouse, "backfill_silver_gold", "scheduled")
    return checksums(lakehouse.lake())


States = Future[Mapping[str, str]]


@pytest.fixture(scope="module")
def triage(
    lakehouse: Lakehouse, more_days: dict[str, Checksum], beside: ThreadPoolExecutor
) -> States:
    """`dlq_triage`, begun beside the first test that asks for it."""
    return beside.submit(
        lakehouse.run_here, "dlq_triage", at=datetime.now(UTC) + timedelta(hours=1)
    )


@pytest.fixture(scope="module")
def report(
    lakehouse: Lakehouse, more_days: dict[str, Checksum], beside: ThreadPoolExecutor
) -> tuple[str, States]:
    """`quality_report` of the day with the newest dead letter, begun like `triage`."""
    refused = lakehouse.lake().table("bronze.dead_letter").read(columns=["failed_at"])
    newest = pc.max(refused["failed_at"]).as_py()
    reported_at = newest + timedelta(days=1, minutes=10)  # the run stands for the day before
    return f"{newest.date()}", beside.submit(lakehouse.run_here, "quality_report", at=reported_at)


@pytest.fixture(scope="module")
def late_brought_in(
    lakehouse: Lakehouse, more_days: dict[str, Checksum], beside: ThreadPoolExecutor
) -> tuple[list[datetime], States]:
    """Windows with late readings, and `reconcile_late`, begun like `triage`."""
    before = late_windows(lakehouse.lake())
    return before, beside.submit(lakehouse.run_here, "reconcile_late")


@pytest.fixture(scope="module")
def maintenance(lakehouse: Lakehouse, beside: ThreadPoolExecutor) -> States:
    """`maintain_tables`, begun like `triage`."""
    return beside.submit(lakehouse.run_here, "maintain_tables")


def in_the_registry(lakehouse: Lakehouse, statement: str) -> None:
    """Change what MLflow has noted."""
    with closing(sqlite3.connect(lakehouse.settings.home / "mlflow" / "mlflow.db")) as registry:
        assert registry.execute(statement).rowcount > 0
        registry.commit()


@pytest.fixture
def week_old(lakehouse: Lakehouse) -> None:
    """Makes the registry's models eight days older."""
    in_the_registry(
        lakehouse, "UPDATE model_versions SET creation_time = creation_time - 8 * 86400000"
    )


@pytest.fixture
def quick_machine(lakehouse: Lakehouse) -> None:
    """Has the registry say that a model scores in time, as on a machine that does nothing else."""
    in_the_registry(lakehouse, "UPDATE latest_metrics SET value = 100 WHERE key = 'scoring_ms'")


@pytest.fixture
def switched_on(lakehouse: Lakehouse) -> Iterator[Callable[[str], None]]:
    """Switches a DAG on for the scheduler, and off again at the end."""
    switched: list[str] = []

    def switch_on(dag_id: str) -> None:
        switched.append(dag_id)
        lakehouse.api.patch(f"/dags/{dag_id}", is_paused=False)

    yield switch_on
    for dag_id in switched:
        lakehouse.api.patch(f"/dags/{dag_id}", is_paused=True)


def test_the_scheduler_trains_once_however_often_gold_is_told(
    lakehouse: Lakehouse, switched_on: Callable[[str], None]
) -> None:
    assert models(lakehouse) == set()
    switched_on("retrain_congestion")
    switched_on("reconcile_late")
    ended(lakehouse, "retrain_congestion", "scheduled")
    assert models(lakehouse) == {1}

    (hourly,) = ended(lakehouse, "reconcile_late", "scheduled")
    assert hourly["state"] == "success"
    wait_for(lambda: told_by(lakehouse, lambda sources: hourly["dag_run_id"] in sources) != [])
    states = [
        lakehouse.tasks("retrain_congestion", run["dag_run_id"])
        for run in lakehouse.api.runs("retrain_congestion")
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

    switched_on("backfill_silver_gold")
    before = {run["dag_run_id"] for run in lakehouse.api.runs("retrain_congestion")}
    lakehouse.airflow(
        "backfill", "create", "--dag-id", "backfill_silver_gold",
        "--from-date", f"{begin.date()}", "--to-date", f"{end.date() - timedelta(days=1)}",
        "--max-active-runs", "1",
    )  # fmt: skip
    switched_on("retrain_congestion")
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
            assert lakehouse.api.get(asked)["pid"] is None, f"{task_id} was not even asked"
    assert models(lakehouse) == {1, 2}


@pytest.mark.usefixtures("triage", "report")
def test_a_day_that_is_right_already_is_left_alone(lakehouse: Lakehouse) -> None:
    before = {name: lakehouse.lake().table(name).version for name in (SILVER, SCORES, KPI)}
    states = lakehouse.run_here(
        "backfill_silver_gold", **{"from": "2024-05-08", "to": "2024-05-09", "source": "simulator"}
    )
    assert states == {"days": "success", "silver[0]": "success", "gold[0]": "success"}
    after = {name: lakehouse.lake().table(name).version for name in (SILVER, SCORES, KPI)}
    assert after == before


def test_what_was_refused_is_counted(lakehouse: Lakehouse, triage: States) -> None:
    assert triage.result() == {"summary": "success"}
    (run, *_) = lakehouse.api.runs("dlq_triage")
    told = lakehouse.api.get(
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


def test_the_day_is_reported(lakehouse: Lakehouse, report: tuple[str, States]) -> None:
    wanted, states = report
    assert states.result() == {"docs": "success", "report": "success"}
    (run, *_) = lakehouse.api.runs("quality_report")
    day = run["data_interval_start"][:10]
    assert day == wanted
    folder = lakehouse.settings.home / "quality"
    page = (folder / f"report-{day}.html").read_text()
    assert f"<h1>Data quality of {day}</h1>" in page
    assert "value_is_json" in page
    assert (folder / "index.html").exists()


@pytest.mark.usefixtures("late_brought_in", "quick_machine")
def test_a_challenger_that_is_better_follows_the_champion(lakehouse: Lakehouse) -> None:
    set_alias(registry(lakehouse), lakehouse.specs, CHALLENGER, 1)
    assert aliases(lakehouse) == {"champion": 2, "challenger": 1}
    assert lakehouse.run_here("retrain_congestion") == NOT_DUE | {"promote": "success"}
    assert aliases(lakehouse) == {"champion": 1, "previous": 2}
    lake = lakehouse.lake()
    outcomes = lake.table("gold.score_outcome").read(columns=["model_version"])
    assert set(outcomes["model_version"].to_pylist()) == {2}, "what it was judged by"
    assert outcomes.num_rows >= lakehouse.specs.ml.promotion.min_outcomes


def test_late_readings_are_brought_in(
    lakehouse: Lakehouse, more_days: dict[str, Checksum],
    late_brought_in: tuple[list[datetime], States],
) -> None:  # fmt: skip
    before, states = late_brought_in
    assert before != []
    assert states.result() == {"reconcile": "success", "lineage": "success"}
    assert late_windows(lakehouse.lake()) == []
    assert checksums(lakehouse.lake()) == more_days
    told = (lakehouse.settings.home / "lineage" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in told]
    for event in events:
        assert_is_a(base.RunEvent, event)
    jobs = {event["job"]["name"] for event in events}
    assert jobs >= {"land", "stream", "recompute", "train", "score"}


@pytest.mark.usefixtures("week_old", "maintenance")
def test_a_week_later_a_challenger_is_trained_and_not_promoted_before_it_has_scored(
    lakehouse: Lakehouse,
) -> None:
    assert lakehouse.run_here("retrain_congestion") == TRAINED
    assert aliases(lakehouse) == {"champion": 1, "previous": 2, "challenger": 3}
    told = json.loads(lakehouse.traffic("model", "promote", "--json"))
    assert (told["promoted"], told["model_version"]) == (False, 3)
    assert told["reasons"][0].startswith("0 live outcomes of both; ")


def test_tables_are_maintained(maintenance: States) -> None:
    assert maintenance.result() == {"maintain": "success"}


def test_the_champion_is_refreshed_while_a_killed_server_is_started_again(
    lakehouse: Lakehouse, beside: ThreadPoolExecutor
) -> None:
    refreshed = beside.submit(lakehouse.run_here, "refresh_congestion")
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
    assert refreshed.result() == {"refresh": "success"}
    assert aliases(lakehouse) == {"champion": 4, "previous": 2, "challenger": 3}

"""What the DAGs share: the plan in specs/ops.yaml, and tasks that are one command each.

Airflow's environment holds none of our code, so the plan is read as plain YAML here; that it is
well-formed is held by `traffic specs check`.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import (
    DAG,
    Asset,
    CronDataIntervalTimetable,
    XComArg,
)
from airflow.sdk.definitions.mappedoperator import MappedOperator

SPEC = Path(__file__).parents[2] / "specs" / "ops.yaml"
PLAN: dict[str, Any] = yaml.safe_load(SPEC.read_text())["airflow"]

NOT_NEEDED = 3
"""Exit code of a command that looked and found nothing to do."""

GOLD = Asset(name="gold", uri="traffic://lake/gold", group="traffic")
"""Told whenever a DAG has brought gold up to silver."""

EPOCH = datetime(2012, 1, 1, tzinfo=UTC)
"""Before the oldest readings of any source: a backfill reaches back to it. No run is made up for
the time before a DAG was switched on."""


def by_the_clock(dag_id: str) -> CronDataIntervalTimetable:
    """The DAG's schedule in the plan; each run stands for the time since the one before."""
    return CronDataIntervalTimetable(PLAN["dags"][dag_id]["schedule"], timezone="UTC")


def planned(dag_id: str, doc: str, **more: Any) -> DAG:
    """A DAG of the plan: one run at a time, in UTC, with its schedule, bounds, owner and tags.

    Args:
        dag_id: its key in the plan.
        doc: shown above the DAG, Markdown.
        more: arguments of the DAG that the plan does not hold.
    """
    plan, retries = PLAN["dags"][dag_id], PLAN["task_retries"]
    return DAG(
        dag_id,
        schedule=more.pop("schedule", None) or by_the_clock(dag_id),
        start_date=EPOCH,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(minutes=plan["run_minutes"]),
        doc_md=doc,
        description=plan["description"],
        tags=["traffic", *plan["tags"]],
        default_args={
            "owner": PLAN["owner"],
            "retries": retries["attempts"] - 1,
            "retry_delay": timedelta(seconds=retries["first_wait_seconds"]),
            "retry_exponential_backoff": retries["wait_factor"],
            "max_retry_delay": timedelta(seconds=retries["max_wait_seconds"]),
            "execution_timeout": timedelta(minutes=plan["task_minutes"]),
        },
        **more,
    )


def command(task_id: str, arguments: str, **more: Any) -> BashOperator:
    """A task that is one command of ours.

    Args:
        task_id: its name in the DAG.
        arguments: what follows `traffic`; values that a person gives come in by `env` and stand
            there in double quotes, never in the text itself.
        more: arguments of the operator.
    """
    return BashOperator(task_id=task_id, **_run(arguments), **more)


def command_for_each(
    task_id: str, arguments: str, environments: XComArg, **more: Any
) -> MappedOperator:
    """`command`, one task for each of ``environments``, one after the other."""
    mapped = BashOperator.partial(
        task_id=task_id, max_active_tis_per_dagrun=1, **_run(arguments), **more
    )
    return mapped.expand(env=environments)


def _run(arguments: str) -> dict[str, Any]:
    program = '"${TRAFFIC_PROGRAM:-traffic}"'  # of its own environment; `make airflow` names it
    return {"bash_command": f"{program} {arguments}", "append_env": True}

"""Run by Airflow's own Python: prints what the DAGs of a folder are, as JSON.

Also, of each (parameters, start, end) of a list, what `backfill_silver_gold` makes of it.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import airflow
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.providers.standard.operators.bash import BashOperator


def main(folder: str, backfills: str) -> None:
    """Parse the folder as the DAG processor does."""
    bag = BundleDagBag(dag_folder=folder, bundle_path=Path(folder), bundle_name="dags")
    dags = {
        dag.dag_id: {
            "file": dag.fileloc, "doc": dag.doc_md, "description": dag.description,
            "tags": sorted(dag.tags), "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "timeout_seconds": dag.dagrun_timeout.total_seconds(),
            "timetable": type(dag.timetable).__name__,
            "cron": getattr(dag.timetable, "timetable", dag.timetable).expression,
            "tasks": {task.task_id: shape(task) for task in dag.tasks},
        }
        for dag in bag.dags.values()
    }  # fmt: skip
    days = bag.dags["backfill_silver_gold"].get_task("days").python_callable
    print(json.dumps({
        "dags": dags, "errors": bag.import_errors, "path": sys.path, "airflow": airflow.__file__,
        "days": [days_or_error(days, *asked) for asked in json.loads(backfills)],
    }))  # fmt: skip


def days_or_error(days: object, params: dict, start: str, end: str) -> object:
    """The tasks' environments, or why there are none."""
    try:
        return days(params, datetime.fromisoformat(start), datetime.fromisoformat(end))
    except ValueError as error:
        return str(error)


def shape(task: object) -> dict:
    """One task, mapped or not."""
    told = getattr(task, "partial_kwargs", None) or {
        name: getattr(task, name, None)
        for name in ("owner", "retries", "retry_delay", "retry_exponential_backoff",
                     "max_retry_delay", "execution_timeout", "doc_md", "bash_command")
    }  # fmt: skip
    kind = getattr(task, "operator_class", type(task))
    return {
        "is_command": isinstance(kind, type) and issubclass(kind, BashOperator),
        "downstream": sorted(task.downstream_task_ids),
        "outlets": [outlet.name for outlet in told.get("outlets") or getattr(task, "outlets", [])],
        **{
            name: value.total_seconds() if hasattr(value, "total_seconds") else value
            for name, value in told.items()
            if isinstance(value, str | int | float) or hasattr(value, "total_seconds")
        },
    }


main(*sys.argv[1:])

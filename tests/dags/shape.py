"""Run by Airflow's own Python: prints what the DAGs of a folder are, as JSON."""

import json
import sys
from pathlib import Path

import airflow
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.providers.standard.operators.bash import BashOperator


def main(folder: str) -> None:
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
    print(json.dumps({
        "dags": dags, "errors": bag.import_errors, "path": sys.path, "airflow": airflow.__file__,
    }))  # fmt: skip


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


main(sys.argv[1])

"""`traffic model`: train the congestion model, and see which one scores."""

import json
from typing import Annotated

import typer

from lakehouse import logs

app = typer.Typer(no_args_is_help=True, help="The congestion model.")
Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
NOT_DUE = 3
"""Exit code of `due --exit-code`: neither a failure nor wrong input."""


@app.command()
def train(as_json: Json = False) -> None:
    """Train on all of silver, measure against baselines, register and make it champion."""
    from lakehouse.jobs.training import train_champion
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    logs.tell_events()
    settings = Settings()
    lake = Lake(settings.lake, load_specs())
    version, metrics = train_champion(lake, mlflow_uri(settings))
    _print(lake.specs.ml.model_name, version, metrics, as_json)


@app.command()
def show(as_json: Json = False) -> None:
    """Show the champion and what its test said."""
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from ml.registry import show as champion_report
    from specs.errors import WrongInput
    from specs.loader import load_specs

    specs = load_specs()
    report = champion_report(mlflow_uri(Settings()), specs)
    if report is None:
        raise WrongInput("no model is champion; make one with `traffic model train`")
    _print(report.name, report.version, report.metrics, as_json)


@app.command()
def due(
    as_json: Json = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 where no training is due.")
    ] = False,
) -> None:
    """Say whether a training is worth it by `retraining` in specs/ops.yaml, and why."""
    from dataclasses import asdict

    from lakehouse.jobs.retraining import standing
    from lakehouse.journal import now
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from ml.due import decide
    from specs.loader import load_specs

    settings = Settings()
    lake = Lake(settings.lake, load_specs())
    known = standing(lake, mlflow_uri(settings))
    decision = decide(known, lake.specs.ops.retraining, at=now())
    if as_json:
        print(json.dumps({**asdict(decision), **asdict(known)}, default=str))
    else:
        print(f"{'due' if decision.is_due else 'not due'}: {decision.reason}")
    if exit_code and not decision.is_due:
        raise typer.Exit(NOT_DUE)


def _print(name: str, version: int, metrics: object, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"model_name": name, "model_version": version, "metrics": metrics}))
        return
    from rich.console import Console

    from ml.report import metrics_table

    print(f"{name} version {version} is champion")
    Console().print(metrics_table(metrics))  # type: ignore[arg-type]

"""`traffic model`: train the congestion model, judge it, and choose which one scores."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse import logs
from lakehouse.commands.answer import Json, print_json
from lakehouse.commands.model_choice import compare, promote, quality, refresh, rollback

if TYPE_CHECKING:
    from lakehouse.jobs.evaluation import Evaluation, History
    from lakehouse.settings import Settings
    from ml.score import LoadedModel
    from ml.train import Metrics
    from specs.loader import Specs

app = typer.Typer(no_args_is_help=True, help="The congestion model.")
for command in (quality, compare, promote, rollback, refresh):
    app.command()(command)
NOT_DUE = 3
"""Exit code of `due --exit-code`: neither a failure nor wrong input."""
Model = Annotated[str, typer.Option(help="Alias or version in the registry.")]


@app.command()
def train(
    champion: Annotated[
        bool, typer.Option("--champion", help="Make it champion even if there is one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on all of silver, measure against baselines and register.

    The first model is champion; a later one is challenger until `traffic model promote`.
    """
    from lakehouse.jobs.training import train_model
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from ml.registry import alias_versions
    from specs.loader import load_specs

    logs.tell_events()
    settings = Settings()
    lake = Lake(settings.lake, load_specs())
    uri = mlflow_uri(settings)
    version, metrics = train_model(lake, uri, as_champion=champion)
    aliases = [name for name, at in alias_versions(uri, lake.specs).items() if at == version]
    _print(lake.specs.ml.model_name, version, aliases, metrics, as_json)


@app.command()
def show(model: Model = "champion", as_json: Json = False) -> None:
    """Show a version, by default the champion, and what its test said."""
    from lakehouse.services import mlflow_uri
    from lakehouse.settings import Settings
    from ml.registry import alias_versions
    from ml.registry import show as model_report
    from specs.errors import WrongInput
    from specs.loader import load_specs

    specs, uri = load_specs(), mlflow_uri(Settings())
    report = model_report(uri, specs, model)
    if report is None:
        raise WrongInput("no model is champion; make one with `traffic model train`")
    aliases = [name for name, at in alias_versions(uri, specs).items() if at == report.version]
    _print(report.name, report.version, aliases, report.metrics, as_json)


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
        print_json({**asdict(decision), **asdict(known)})
    else:
        print(f"{'due' if decision.is_due else 'not due'}: {decision.reason}")
    if exit_code and not decision.is_due:
        raise typer.Exit(NOT_DUE)


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917  (each is an option)
    source: Annotated[str, typer.Option(help="Name of a file in specs/sources.")] = "nyc_dot",
    start: Annotated[
        datetime | None, typer.Option("--from", help="First window to forecast from, UTC.")
    ] = None,
    end: Annotated[datetime | None, typer.Option("--to", help="Targets before this, UTC.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Alias or version; by default trains on what came before.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the source's files; by default what ships.")
    ] = None,
    file: Annotated[
        list[Path] | None, typer.Option(help="Read this file, not the source's; repeatable.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--train-from", help="Leave out what was before, UTC.")
    ] = None,
    lake: Annotated[bool, typer.Option("--lake", help="Read silver, not the files.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Folder for the HTML page; by default below TRAFFIC_HOME.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge a model against persistence and historical average, by the protocol of ml.yaml.

    Without --from the latest part of the time is judged, as long as ml.yaml says.
    """
    from lakehouse.jobs.evaluation import evaluate as judged
    from lakehouse.settings import Settings
    from specs.loader import load_specs

    specs, settings = load_specs(), Settings()
    folder = data or settings.data
    history, first, past = _history(
        specs, settings, source, folder, tuple(file or ()), lake=lake,
        since=_utc(since), start=_utc(start), end=_utc(end),
    )  # fmt: skip
    loaded = _loaded(specs, settings, model) if model else None
    found = judged(history, specs, source, (first, past), loaded)
    page, figures = found.write(report or settings.home / "reports")
    run = _logged(specs, settings, found, (page, figures))
    if as_json:
        print_json({**found.figures, "report": str(page), "mlflow_run": run})
        return
    from rich.console import Console

    from ml.report import metrics_table
    from ml.report_data import Cost
    from ml.train import metrics_of

    print(
        f"{source}, {first:%Y-%m-%d %H:%M} to {past:%Y-%m-%d %H:%M} UTC: {found.figures['model']}"
    )
    print(Cost(**found.figures["cost"]))
    Console().print(metrics_table(metrics_of(found.reports)))
    print(f"report: {page}")


def _history(  # noqa: PLR0913
    specs: "Specs", settings: "Settings", source: str, data: Path | None, files: tuple[Path, ...],
    *, lake: bool, since: datetime | None, start: datetime | None, end: datetime | None,
) -> "tuple[History, datetime, datetime]":  # fmt: skip
    """Silver of the lake or of the source's files, and the time to judge."""
    from ingestion.source_silver import observed_time, source_silver
    from ingestion.sources import DATA_FOLDER, Selection
    from lakehouse.jobs.evaluation import COLUMNS, History, judged_time
    from lakehouse.tables import Lake
    from specs.errors import WrongInput

    if source not in specs.sources:
        raise WrongInput(f"no source {source}; specs/sources has {', '.join(specs.sources)}")
    if lake:
        history = History.of_lake(Lake(settings.lake, specs), source)
        return history, *judged_time(history.silver, specs, start, end)
    selection = Selection(data or DATA_FOLDER, files, since, end)
    times = observed_time(specs, source, selection)
    first, past = judged_time(times, specs, start, end)
    columns = [*COLUMNS, specs.ml.label.column]
    made = source_silver(specs, source, selection, free_flow_until=first, columns=columns)
    return History(made.metrics, made.segments), first, past


def _loaded(specs: "Specs", settings: "Settings", model: str) -> "LoadedModel":
    from lakehouse.services import mlflow_uri
    from ml.registry import load_version, resolve

    uri = mlflow_uri(settings)
    return load_version(uri, specs, resolve(uri, specs, model))


def _logged(
    specs: "Specs", settings: "Settings", found: "Evaluation", files: tuple[Path, ...]
) -> str | None:
    """Leave the figures in MLflow, if it runs; says so where it does not."""
    from lakehouse.services import mlflow_uri
    from ml.evaluation_record import log_evaluation
    from specs.errors import Unavailable

    try:
        uri = mlflow_uri(settings)
    except Unavailable as error:
        print(f"not logged to MLflow: {error}", file=sys.stderr)
        return None
    return log_evaluation(found.figures, found.reports, files, uri, specs)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _print(name: str, version: int, aliases: list[str], metrics: "Metrics", as_json: bool) -> None:
    if as_json:
        made = {"model_name": name, "model_version": version, "aliases": aliases}
        print_json({**made, "metrics": metrics})
        return
    from rich.console import Console

    from ml.report import metrics_table

    print(f"{name} version {version} is {' and '.join(aliases) or 'no alias of anyone'}")
    Console().print(metrics_table(metrics))

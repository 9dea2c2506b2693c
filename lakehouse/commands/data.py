"""`traffic segment|silver|gold`: work on the tables outside the stream."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lakehouse.jobs.recompute import GoldRecompute, Range, SilverRecompute
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake

segment = typer.Typer(no_args_is_help=True, help="Road segments.")
silver = typer.Typer(no_args_is_help=True, help="Table silver.segment_metric.")
gold = typer.Typer(no_args_is_help=True, help="Tables of gold.")

From = Annotated[datetime, typer.Option("--from", help="First window start, UTC.")]
To = Annotated[datetime, typer.Option("--to", help="Window starts before this, UTC.")]


def open_lake() -> "tuple[Settings, Lake]":
    """The settings and the tables below their home."""
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    settings = Settings()
    return settings, Lake(settings.lake, load_specs())


def _range(start: datetime, end: datetime) -> "Range":
    from lakehouse.jobs.recompute import Range
    from specs.errors import WrongInput

    if end <= start:
        raise WrongInput(f"--to {end} is not after --from {start}")
    return Range(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))


def _silver_job(settings: "Settings", lake: "Lake") -> "SilverRecompute":
    from lakehouse.jobs.recompute import SilverRecompute
    from lakehouse.publish import KafkaPublisher
    from lakehouse.services import kafka_bootstrap
    from lakehouse.spark import session

    return SilverRecompute(session(settings), lake, KafkaPublisher(kafka_bootstrap(settings)))


def _gold_job(settings: "Settings", lake: "Lake") -> "GoldRecompute":
    from lakehouse.jobs.recompute import GoldRecompute
    from lakehouse.publish import KafkaPublisher
    from lakehouse.services import kafka_bootstrap, mlflow_uri
    from ml.registry import champion

    model = champion(mlflow_uri(settings), lake.specs)
    return GoldRecompute(lake, model, KafkaPublisher(kafka_bootstrap(settings)))


@segment.command("load")
def segment_load(
    source: Annotated[str, typer.Argument(help="Name of a file in specs/sources.")],
    until: Annotated[
        datetime | None,
        typer.Option(help="Free-flow speeds from readings before this, UTC; by default all."),
    ] = None,
    segments: Annotated[
        int | None, typer.Option(min=1, help="Size of a simulated city; by default its own.")
    ] = None,
) -> None:
    """Register a source's road segments in silver.road_segment."""
    from ingestion.registration import register_segments

    _, lake = open_lake()
    written = register_segments(lake, source, until=until, count=segments)
    print(json.dumps({"rows_written": written}))


@silver.command("recompute")
def silver_recompute(start: From, end: To) -> None:
    """Bring windows of silver up to bronze; rows that are right already are left alone."""
    asked = _range(start, end)
    settings, lake = open_lake()
    print(json.dumps({"rows_written": _silver_job(settings, lake).recompute(asked)}))


@silver.command("reconcile")
def silver_reconcile() -> None:
    """Find late readings that the stream did not count, and recompute the windows they touch."""
    from lakehouse.jobs.reconcile import Reconciler

    settings, lake = open_lake()
    reconciler = Reconciler(
        lake, settings.checkpoints / "stream",
        _silver_job(settings, lake), lambda: _gold_job(settings, lake),
    )  # fmt: skip
    print(json.dumps({"rows_written": reconciler.reconcile()}))


@gold.command("recompute")
def gold_recompute(start: From, end: To) -> None:
    """Bring scores and network KPIs up to silver, with the champion model of now."""
    asked = _range(start, end)
    settings, lake = open_lake()
    print(json.dumps({"rows_written": _gold_job(settings, lake).recompute(asked)}))

"""`traffic segment|silver|gold`: work on the tables outside the stream."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse import logs

if TYPE_CHECKING:
    from lakehouse.jobs.recompute import GoldRecompute, Range, SilverRecompute
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake

segment = typer.Typer(no_args_is_help=True, help="Road segments.")
silver = typer.Typer(no_args_is_help=True, help="Table silver.segment_metric.")
gold = typer.Typer(no_args_is_help=True, help="Tables of gold.")

From = Annotated[datetime, typer.Option("--from", help="First window start, UTC.")]
To = Annotated[datetime, typer.Option("--to", help="Window starts before this, UTC.")]
Source = Annotated[str | None, typer.Option("--source", help="Only this source; by default all.")]


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


def _known(source: str | None, lake: "Lake") -> str | None:
    from specs.errors import WrongInput

    if source is not None and source not in lake.specs.sources:
        known = ", ".join(sorted(lake.specs.sources))
        raise WrongInput(f"no source {source!r}; there are {known}")
    return source


def _silver_job(settings: "Settings", lake: "Lake", source: str | None = None) -> "SilverRecompute":
    from lakehouse.jobs.bronze_panes import BronzePanes
    from lakehouse.jobs.recompute import SilverRecompute
    from lakehouse.kafka_grants import OPERATOR
    from lakehouse.publish import KafkaPublisher
    from lakehouse.services import kafka_access
    from lakehouse.spark import session

    publisher = KafkaPublisher(kafka_access(settings, OPERATOR))
    bronze = BronzePanes(lake, lambda: session(settings), settings.recompute_small_rows)
    return SilverRecompute(lake, bronze, publisher, source)


def _gold_job(settings: "Settings", lake: "Lake", source: str | None = None) -> "GoldRecompute":
    from lakehouse.jobs.recompute import GoldRecompute
    from lakehouse.kafka_grants import OPERATOR
    from lakehouse.publish import KafkaPublisher
    from lakehouse.services import kafka_access, mlflow_uri
    from ml.registry import champion

    model = champion(mlflow_uri(settings), lake.specs)
    return GoldRecompute(lake, model, KafkaPublisher(kafka_access(settings, OPERATOR)), source)


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

    settings, lake = open_lake()
    written = register_segments(lake, source, until=until, count=segments, data=settings.data)
    print(json.dumps({"rows_written": written}))


@silver.command("recompute")
def silver_recompute(start: From, end: To, source: Source = None) -> None:
    """Bring windows of silver up to bronze; rows that are right already are left alone."""
    logs.tell_events()
    asked = _range(start, end)
    settings, lake = open_lake()
    source = _known(source, lake)
    whole = asked.reaching_back(lake.specs.transforms)
    written = _silver_job(settings, lake, source).recompute(whole)
    print(json.dumps({"rows_written": written}))


@silver.command("reconcile")
def silver_reconcile() -> None:
    """Find late readings that the stream did not count, and recompute the windows they touch."""
    from lakehouse.jobs.reconcile import Reconciler

    logs.tell_events()
    settings, lake = open_lake()
    reconciler = Reconciler(
        lake, settings.stream_checkpoint,
        lambda: _silver_job(settings, lake), lambda: _gold_job(settings, lake),
    )  # fmt: skip
    print(json.dumps({"rows_written": reconciler.reconcile(with_open=True)}))


@gold.command("recompute")
def gold_recompute(start: From, end: To, source: Source = None) -> None:
    """Bring scores and network KPIs up to silver, with the champion model of now."""
    logs.tell_events()
    asked = _range(start, end)
    settings, lake = open_lake()
    job = _gold_job(settings, lake, _known(source, lake))
    print(json.dumps({"rows_written": job.recompute(asked)}))

"""`traffic land` and `traffic stream`: the two processes that move data."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse import logs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.jobs.model_watch import ModelWatch
    from lakehouse.metrics import Metrics
    from lakehouse.settings import Settings

Once = Annotated[bool, typer.Option("--once", help="Stop when caught up.")]


def _reconciliation(
    spark: "SparkSession", settings: "Settings", models: "ModelWatch", metrics: "Metrics"
) -> "Callable[[], None]":
    """What is done on timers beside the stream, on snapshots of its own.

    Late readings are reconciled; with every window `ModelGuard` looks what came of the scores, and
    from time to time Prometheus is told how far the readings lie from what the model knows.
    """
    from functools import partial

    from lakehouse.jobs.bronze_panes import BronzePanes
    from lakehouse.jobs.chores import Chore, doing
    from lakehouse.jobs.drift import watch_drift
    from lakehouse.jobs.model_guard import ModelGuard
    from lakehouse.jobs.recompute import GoldRecompute, SilverRecompute
    from lakehouse.jobs.reconcile import Reconciler
    from lakehouse.publish import KafkaPublisher
    from lakehouse.services import kafka_access, mlflow_uri
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    lake = Lake(settings.lake, load_specs(), metrics)
    guard = ModelGuard(lake, mlflow_uri(settings))
    publisher = KafkaPublisher(kafka_access(settings, "stream"))
    bronze = BronzePanes(lake, lambda: spark, settings.recompute_small_rows)
    silver = SilverRecompute(lake, bronze, publisher)
    reconciler = Reconciler(
        lake, settings.stream_checkpoint, lambda: silver,
        lambda: GoldRecompute(lake, models.model, publisher),
    )  # fmt: skip

    window = lake.specs.transforms.primary.size_seconds
    return doing(
        Chore(guard.look, every_seconds=window),
        Chore(reconciler.reconcile, every_seconds=settings.reconcile_seconds),
        Chore(
            partial(watch_drift, lake, models),
            every_seconds=lake.specs.ops.monitoring.drift_seconds, first_seconds=window,
        ),
    )  # fmt: skip


def land(once: Once = False) -> None:
    """Land topic traffic_event in bronze, and in the dead letters."""
    from ingestion.lander import Lander, LandingPace, Membership
    from lakehouse.metrics import Metrics
    from lakehouse.metrics.endpoint import exposed
    from lakehouse.services import kafka_access
    from lakehouse.settings import Settings
    from lakehouse.signals import stop_on_signals
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    logs.tell_events()
    settings = Settings()
    stopped = stop_on_signals()
    pace = LandingPace(settings.land_max_records, settings.land_max_seconds)
    member = Membership(settings.land_member, settings.land_session_seconds)
    specs = load_specs()
    metrics = Metrics(specs.ops, "lander")
    kafka = kafka_access(settings, "lander")
    lander = Lander(Lake(settings.lake, specs, metrics), kafka, pace, member)
    with (
        closing(lander),
        exposed(
            metrics, "lander", port=settings.metrics_port, targets=settings.targets,
            host=settings.metrics_host,
        ),
    ):  # fmt: skip
        lander.run_once(stopped) if once else lander.run(stopped)
    print(json.dumps(lander.report()))


def stream(once: Once = False) -> None:
    """Build silver and gold from bronze, scored by the champion."""
    from functools import partial

    from lakehouse.jobs import stream as job
    from lakehouse.jobs.model_watch import ModelWatch
    from lakehouse.metrics import Metrics
    from lakehouse.metrics.endpoint import exposed
    from lakehouse.publish import KafkaPublisher
    from lakehouse.release import refuse_newer_checkpoint
    from lakehouse.services import kafka_access, mlflow_uri
    from lakehouse.settings import Settings
    from lakehouse.signals import stop_on_signals
    from lakehouse.spark import session
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    logs.tell_events()
    settings = Settings()
    stopped = stop_on_signals()
    specs = load_specs()
    metrics = Metrics(specs.ops, "stream")
    lake = Lake(settings.lake, specs, metrics)
    models = ModelWatch(mlflow_uri(settings), lake.specs, settings.model_poll_seconds)
    publisher = KafkaPublisher(kafka_access(settings, "stream"))
    checkpoint = settings.stream_checkpoint
    refuse_newer_checkpoint(checkpoint, settings.checkpoints)
    stream = job.Stream(lake, checkpoint, publisher, models)
    pace = job.StreamPace(
        settings.stream_trigger_seconds, settings.stream_max_bytes, settings.stream_small_rows,
        settings.recompute_small_rows,
    )  # fmt: skip
    spark = session(settings)
    reconcile = _reconciliation(spark, settings, models, metrics)
    models.tell(metrics)
    with exposed(
        metrics, "stream", port=settings.metrics_port, targets=settings.targets,
        host=settings.metrics_host,
    ):  # fmt: skip
        try:
            stream.run(partial(stream.start, spark, pace, once=once), stopped, reconcile)
        finally:
            stream.close()
    print(json.dumps(stream.report()))

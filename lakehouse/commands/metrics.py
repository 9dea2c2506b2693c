"""`traffic metrics`: how the lakehouse stands, for Prometheus."""

import typer

app = typer.Typer(no_args_is_help=True, help="Metrics for Prometheus.")


@app.callback()
def metrics() -> None:
    """Keep `serve` a subcommand."""


@app.command()
def serve() -> None:
    """Export what no process of the pipeline can tell: tables, lag, dead letters, disk."""
    from functools import partial

    from lakehouse.exporter.loop import Exporter
    from lakehouse.kafka_grants import EXPORTER
    from lakehouse.metrics import Metrics
    from lakehouse.metrics.endpoint import exposed
    from lakehouse.services import kafka_access
    from lakehouse.settings import Settings
    from lakehouse.signals import stop_on_signals
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    settings, specs = Settings(), load_specs()
    stopped = stop_on_signals()
    told = Metrics(specs.ops, "exporter")
    lake = Lake(settings.lake, specs, told)
    kafka = partial(kafka_access, settings, EXPORTER)
    exporter = Exporter(lake, settings.stream_checkpoint, kafka)

    with (
        exposed(
            told, "exporter", port=settings.metrics_port, targets=settings.targets,
            host=settings.metrics_host,
        ) as port,
    ):  # fmt: skip
        print(f"metrics at http://{settings.metrics_host}:{port}/metrics", flush=True)
        exporter.run(stopped)

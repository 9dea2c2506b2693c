"""The command line: noun then verb; results on stdout, messages on stderr; exit 0, 1 or 2."""

import logging
import sys

import typer

from lakehouse import logs
from lakehouse.bucket import outage
from lakehouse.commands import (
    audit,
    backup,
    bench,
    checksum,
    cluster,
    data,
    demo,
    deploy,
    dlq,
    doctor,
    lineage,
    maintain,
    metrics,
    model,
    produce,
    quality,
    query,
    run,
    scaffold,
    serve,
    specs,
    sql,
    stack,
    superset,
    topic,
)
from lakehouse.disk import disk_fault
from specs.errors import GateFailed, SpecError, TrafficError, Unavailable

log = logging.getLogger(__name__)
app = typer.Typer(
    name="traffic", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Road-traffic lakehouse: readings in through Kafka, congestion probabilities out in SQL.",
)  # fmt: skip
for command in (
    stack.up,
    stack.down,
    stack.status,
    run.land,
    run.stream,
    serve.serve,
    audit.audit,
    backup.backup,
    backup.restore,
    maintain.maintain,
    demo.demo,
    doctor.doctor,
    sql.sql,
    query.query,
    checksum.checksum,
):
    app.command()(command)
GROUPS = {
    "specs": specs.app,
    "scaffold": scaffold.app,
    "topic": topic.app,
    "segment": data.segment,
    "produce": produce.app,
    "silver": data.silver,
    "gold": data.gold,
    "model": model.app,
    "dlq": dlq.app,
    "lineage": lineage.app,
    "quality": quality.app,
    "api-key": serve.api_key,
    "superset": superset.app,
    "metrics": metrics.app,
    "deploy": deploy.app,
    "cluster": cluster.app,
    "bench": bench.app,
}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Entry point of `traffic`."""
    logs.configure()
    sys.exit(_run())  # once the error is gone, and with it what its frames hold open


def _run() -> int:
    """Run the command line; returns the exit code of what failed."""
    try:
        app()
    except TrafficError as error:
        log.error("%s", error)
        if isinstance(error, GateFailed | SpecError):  # these stop, for a human
            from lakehouse.runtime.intent import hold_this_job

            hold_this_job(str(error))
        return error.exit_code
    except Exception as error:
        told = disk_fault(error) or outage(error)
        if told is not None:
            log.error("%s", told)
            return Unavailable.exit_code
        log.exception("this is a bug; please report it with the lines below")
        return 1
    return 0

"""The command line: noun then verb; results on stdout, messages on stderr; exit 0, 1 or 2."""

import logging
import sys

import typer

from lakehouse.commands import (
    audit,
    bench,
    data,
    demo,
    dlq,
    maintain,
    metrics,
    model,
    ops,
    produce,
    quality,
    query,
    run,
    serve,
    specs,
    sql,
    stack,
    superset,
    topic,
)
from specs.errors import TrafficError

app = typer.Typer(
    name="traffic", no_args_is_help=True, pretty_exceptions_enable=False,
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
    maintain.maintain,
    demo.demo,
    sql.sql,
    query.query,
):
    app.command()(command)
GROUPS = {
    "specs": specs.app,
    "topic": topic.app,
    "segment": data.segment,
    "produce": produce.app,
    "silver": data.silver,
    "gold": data.gold,
    "model": model.app,
    "dlq": dlq.app,
    "quality": quality.app,
    "api-key": serve.api_key,
    "superset": superset.app,
    "metrics": metrics.app,
    "ops": ops.app,
    "bench": bench.app,
}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Entry point of `traffic`."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except TrafficError as error:
        print(f"traffic: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception:
        logging.exception("traffic: this is a bug; please report it with the lines below")
        sys.exit(1)

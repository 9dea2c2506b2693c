"""`traffic query`: SQL over the tables, now or as of an earlier moment."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; tables without their layer.")],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", help="As believed then, UTC: before later corrections."),
    ] = None,
) -> None:
    """Run DuckDB SQL over the tables; one JSON object a row."""
    from lakehouse.as_of import query as run
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    lake = Lake(Settings().lake, load_specs())
    moment = None if as_of is None else as_of.replace(tzinfo=UTC)
    for row in run(lake, sql, moment).to_pylist():
        print(json.dumps(row, default=str))

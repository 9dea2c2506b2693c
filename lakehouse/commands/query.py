"""`traffic query`: SQL over the tables, now or as of an earlier moment."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.commands.answer import Json, print_json

if TYPE_CHECKING:
    import pyarrow as pa


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; tables without their layer.")],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", help="As believed then, UTC: before later corrections."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run DuckDB SQL over the tables, without a server."""
    from lakehouse.as_of import query as run
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from lakehouse.trino.render import show_rows
    from specs.loader import load_specs

    lake = Lake(Settings().lake, load_specs())
    moment = None if as_of is None else as_of.replace(tzinfo=UTC)
    found = run(lake, sql, moment)
    if as_json:
        print_json(_named(found))
    elif left_out := show_rows(found, sys.stdout):
        print(f"{left_out:,} more rows; --json shows all", file=sys.stderr)


def _named(found: "pa.Table") -> list[dict[str, Any]]:
    """Rows by the names of their columns.

    Raises:
        WrongInput: two columns have one name.
    """
    from specs.errors import WrongInput

    names = found.column_names
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise WrongInput(f"JSON has each name once: give one of the columns {twins} another (AS)")
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows

"""Brings Trino's catalog up to the specs: schemas, registered tables, views, comments.

Repeating it changes nothing. The tables' own comments are in their Delta logs, which only
`lakehouse.tables` writes.
"""

import time
from pathlib import Path

from lakehouse.sql_text import quoted
from lakehouse.tables import Lake
from lakehouse.trino.client import Client, Endpoint, SqlError
from lakehouse.trino.home import CATALOG
from lakehouse.trino.views import view_statements
from specs.errors import SpecError, Unavailable
from specs.loader import Specs
from specs.views import ViewSpec

READY_SECONDS = 60.0
POLL_SECONDS = 0.5


def register(endpoint: Endpoint, lake: Lake, marker: Path) -> None:
    """Have every table and view of the specs in the catalog; tables that do not exist are made.

    Args:
        endpoint: the owner's.
        lake: the tables.
        marker: keeps what was registered last, so that an unchanged catalog takes three queries.

    Raises:
        SpecError: a view's query is wrong; the message carries Trino's own.
        Unavailable: Trino does not answer.
    """
    for name in lake.specs.tables:
        lake.table(name)
    with Client(endpoint) as client:
        _until_answered(client, "SELECT 1")
        known = _known(client)
        state = f"{lake.specs.version} {lake.root.resolve()}\n"
        is_whole = {*lake.specs.tables, *lake.specs.views} <= known
        if not (is_whole and marker.exists() and marker.read_text() == state):
            _register_all(client, lake, known)
            marker.write_text(state)
        _until_answered(client, "SELECT count(*) FROM silver.road_segment")


def _until_answered(client: Client, statement: str) -> None:
    """A server that has just started may not have counted itself among its workers yet."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            client.rows(statement)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


def _register_all(client: Client, lake: Lake, known: set[str]) -> None:
    for schema in sorted({name.split(".")[0] for name in lake.specs.tables}):
        client.rows(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{schema}")
    for name in lake.specs.tables:
        _register_table(client, name, lake.folder(name).resolve().as_uri(), name in known)
    for view in lake.specs.views.values():
        _create_view(client, lake.specs, view)
    _check_columns(client, lake.specs)


def _known(client: Client) -> set[str]:
    listed = client.rows("SELECT table_schema, table_name FROM information_schema.tables")
    return {f"{schema}.{name}" for schema, name in listed}


def _register_table(client: Client, name: str, location: str, is_known: bool) -> None:
    schema, table = name.split(".")
    if is_known:
        if f"'{location}'" in client.rows(f"SHOW CREATE TABLE {name}")[0][0]:
            return
        client.rows(f"CALL {CATALOG}.system.unregister_table('{schema}', '{table}')")
    client.rows(f"CALL {CATALOG}.system.register_table('{schema}', '{table}', {quoted(location)})")


def _create_view(client: Client, specs: Specs, view: ViewSpec) -> None:
    try:
        for statement in view_statements(view, specs):
            client.rows(statement)
    except SqlError as error:
        raise SpecError(f"schemas/views/{view.view}.yaml: {error}") from error


def _check_columns(client: Client, specs: Specs) -> None:
    """Hold what the views' queries give against what their specs promise."""
    found: dict[str, list[tuple[str, str]]] = {}
    for schema, table, name, kind in client.rows(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns"
        " ORDER BY table_schema, table_name, ordinal_position"
    ):
        found.setdefault(f"{schema}.{table}", []).append((name, kind))
    for view in specs.views.values():
        wanted = [(column.name, column.type) for column in view.columns]
        if found[view.view] != wanted:
            wrong = sorted(set(wanted) ^ set(found[view.view])) or "their order"
            raise SpecError(f"schemas/views/{view.view}.yaml: query and columns differ in {wrong}")

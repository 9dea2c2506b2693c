"""Runs DuckDB SQL over Arrow tables and lake snapshots."""

import atexit
import warnings
from functools import cache

import duckdb
import pyarrow as pa
from pyarrow.dataset import Dataset

from specs.errors import SpecError, WrongInput


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """One engine a process: starting it costs more (20 ms) than most of our queries.

    One thread and inputs in the order given, so that the same input gives the same bits. No
    ASOF join row by row: DuckDB takes every Arrow table for one of few rows, where that is quick.
    """
    engine = duckdb.connect(
        config={"threads": 1, "preserve_insertion_order": True, "asof_loop_join_threshold": 0}
    )
    engine.execute("SET GLOBAL TimeZone = 'UTC'")
    return engine


warnings.filterwarnings("ignore", "Arrow output on a DB-API result", UserWarning)
"""A relation's output is planned twice: 6 ms more for one of our 2,000 rows, and the advised way
was the slower one up to millions of rows (DuckDB 2.0)."""

atexit.register(_engine.cache_clear)  # else the engine outlives the interpreter and complains


def select(query: str, **tables: pa.Table | Dataset) -> pa.Table:
    """Result of ``query`` over ``tables``, as Arrow.

    Raises:
        SpecError: the query, which is made of the specs' expressions, is wrong; the message
            carries DuckDB's own.
    """
    with _engine().cursor() as connection:
        for name, table in tables.items():
            if isinstance(table, Dataset):
                _register_dataset(connection, name, table)
            else:
                connection.register(name, table)
        try:
            return connection.execute(query).to_arrow_table()
        except (
            duckdb.BinderException,
            duckdb.ParserException,
            duckdb.ConversionException,
        ) as error:
            raise SpecError(f"an SQL expression of the specs is wrong: {error}") from error


def _register_dataset(connection: duckdb.DuckDBPyConnection, name: str, table: Dataset) -> None:
    """Register a dataset whose texts DuckDB itself compares, as `specs.stored_text.is_text` does.

    What is computed of a column is not asked of Arrow's scanner.
    """
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    columns = ", ".join(f'coalesce("{text}", "{text}") AS "{text}"' for text in texts)
    replaced = f"REPLACE ({columns})" if texts else ""
    connection.register(f"{name} as stored", table)
    connection.execute(f'CREATE TEMP VIEW "{name}" AS SELECT * {replaced} FROM "{name} as stored"')


def refuse_all_but_a_select(query: str) -> None:
    """Hold a query that a person wrote to be one that only reads.

    Raises:
        SpecError: it cannot be parsed.
        WrongInput: it is none, several, or another statement.
    """
    try:
        kinds = [statement.type for statement in duckdb.extract_statements(query)]
    except duckdb.ParserException as error:
        raise SpecError(f"the query is wrong: {error}") from error
    if kinds != [duckdb.StatementType.SELECT]:
        names = ", ".join(kind.name for kind in kinds) or "nothing"
        raise WrongInput(f"one SELECT is wanted, and this is {names}")

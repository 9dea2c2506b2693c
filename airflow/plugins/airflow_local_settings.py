"""Airflow's SQLite on a laptop waits for a lock. Airflow takes a module of this name as settings.

A savepoint begins a transaction. If that reads before it writes, and another process writes in
between, SQLite refuses its write at once ("database is locked"), however long it may wait for a
lock. So a savepoint takes the lock for writing as its first act.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

__all__ = ["create_metadata_engine"]


def create_metadata_engine(
    sql_alchemy_conn: str, *, engine_args: dict[str, Any], connect_args: dict[str, Any]
) -> Engine:
    """What Airflow calls for its engine."""
    engine = create_engine(sql_alchemy_conn, connect_args=connect_args, **engine_args)
    event.listen(engine, "after_cursor_execute", _lock)
    return engine


def _lock(_: Connection, cursor: Any, statement: str, *__: Any) -> None:
    if statement.startswith("SAVEPOINT"):
        # The least that can be written; no one reads it.
        cursor.execute("PRAGMA user_version = 1")

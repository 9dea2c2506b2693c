"""Airflow's SQLite waits for a lock, where it would be refused."""

import runpy
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from lakehouse.runtime.airflow import PROJECT

FILE = PROJECT / "plugins/airflow_local_settings.py"


def test_nothing_is_written_between_what_a_savepoint_reads_and_writes(tmp_path: Path) -> None:
    path = tmp_path / "airflow.db"
    make = runpy.run_path(str(FILE))["create_metadata_engine"]
    engine = make(f"sqlite:///{path}", engine_args={}, connect_args={})
    other = sqlite3.connect(path, timeout=0)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("CREATE TABLE run (id INTEGER)")
    with engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(text("SELECT id FROM run")).all()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("INSERT INTO run VALUES (1)")
            connection.execute(text("INSERT INTO run VALUES (2)"))
        connection.commit()
    assert other.execute("SELECT id FROM run").fetchall() == [(2,)]
    other.close()
    engine.dispose()

"""The commands on the tables, where they need no server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehouse.commands import data
from lakehouse.commands.data import silver
from lakehouse.commit import Note
from lakehouse.tables import Lake
from specs.loader import Specs
from tests.rows import after, reading, table

BRONZE = "bronze.traffic_event"


def test_spark_is_not_started_for_days_without_readings(
    tmp_path: Path, specs: Specs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAFFIC_HOME", str(tmp_path))
    lake = Lake(tmp_path / "lake", specs)
    lake.table(BRONZE).append(table(lake, BRONZE, [reading(0, 0)]), Note("test", "v"))

    def recompute(first: float, end: float) -> str:
        span = [f"{after(seconds):%Y-%m-%dT%H:%M:%S}" for seconds in (first, end)]
        done = CliRunner().invoke(silver, ["recompute", "--from", span[0], "--to", span[1]])
        assert done.exit_code in {0, 1}, done.output
        return done.output if done.exception is None else type(done.exception).__name__

    class Started(Exception):
        pass

    def session(*_: object) -> None:
        raise Started

    monkeypatch.setattr(data, "_silver_job", session)
    assert json.loads(recompute(300, 86400)) == {"rows_written": 0}
    assert json.loads(recompute(-86400, -3600)) == {"rows_written": 0}
    assert recompute(0, 300) == "Started"
    assert recompute(-900, -600) == "Started", "a longer window may hold it"

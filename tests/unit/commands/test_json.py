"""Every command that reads answers programs too: with `--json`, one document on stdout."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from lakehouse.cli import app
from lakehouse.commands.answer import Json
from lakehouse.commit import Note
from lakehouse.serving.keys import KeyStore
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import SPECS_FOLDER, load_specs
from tests.rows import after, metric, table

ACTS = {
    "up", "down", "land", "stream", "serve", "demo", "metrics serve", "cluster master",
    "cluster worker", "segment load", "silver recompute", "silver reconcile", "gold recompute",
    "dlq replay", "quality docs", "quality report", "api-key create", "api-key revoke",
    "deploy kafka-key", "deploy kafka-users", "superset export", "deploy init", "deploy fetch",
    "deploy door", "deploy register", "deploy buckets", "deploy tables",
    "bench keep", "bench page", "scaffold producer", "scaffold processor", "scaffold service",
}  # fmt: skip
"""Commands that change or start something. All others read or report, and take `--json`."""

NEEDS_SERVERS = {
    "audit", "sql", "topic create", "topic list", "topic retain",
    "produce replay", "produce simulate",
    "model train", "model show", "model due", "model quality", "model compare", "model promote",
    "model rollback", "model refresh", "model evaluate", "superset check", "backup", "restore",
}  # fmt: skip
"""Run with `--json` by the tests of the servers. `bench` runs for minutes."""

READINGS = Path("stops.csv")
ALONE: dict[str, tuple[str, ...]] = {
    "status": (), "doctor": (), "checksum": (), "maintain": (), "lineage emit": (),
    "query": ("SELECT segment_id, window_start, speed_kmh_mean, window_date FROM segment_metric",),
    "specs check": (), "specs build": ("--check",), "specs diff": (str(SPECS_FOLDER),),
    "specs new-city": (str(READINGS),),
    "dlq list": (), "dlq summary": (), "dlq show": ("0", "7"), "api-key list": (),
}  # fmt: skip


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command by the words that call it."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, one in command.commands.items():
        yield from walk(one, (*path, name))


COMMANDS = dict(walk(get_command(app)))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a window, a dead letter and a key, in the folder that commands run in."""
    monkeypatch.setenv("TRAFFIC_HOME", str(tmp_path))
    for server in ("KAFKA", "MLFLOW"):
        monkeypatch.setenv(f"TRAFFIC_{server}_PORT", "0")
    lake, note = Lake(Settings().lake, load_specs()), Note(job="test", spec_version="v")
    row = metric("s:a", 0, speed_kmh_mean=float("nan"))
    lake.table("silver.segment_metric").merge(table(lake, "silver.segment_metric", [row]), note)
    dead = {
        "topic": "traffic_event", "partition": 0, "offset": 7, "kafka_timestamp": after(0),
        "raw_key": b"s:a", "raw_value": b"\xff\x00", "raw_headers": None,
        "rule_ids": ["value_is_utf8"], "reason": "no text", "failed_at": after(1),
        "spec_version": "v", "resolved_at": None,
        "resolution": None, "resolved_spec_version": None,
    }  # fmt: skip
    lake.table("bronze.dead_letter").append(table(lake, "bronze.dead_letter", [dead]), note)
    KeyStore(Settings().api_keys).create("test", at=after(0), expires_at=None)
    (tmp_path / READINGS).write_text("id,when,speed\na,2024-05-01T00:00:00,50\n")
    return tmp_path


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_what_reads_takes_json_and_in_one_way(name: str) -> None:
    (option,) = Json.__metadata__
    found = [one for one in COMMANDS[name].params if "--json" in one.opts]
    assert bool(found) == (name not in ACTS)
    assert [one.help for one in found] == [option.help] * len(found)


def test_no_list_here_names_a_command_that_is_gone() -> None:
    bench = {name for name in COMMANDS if name.startswith("bench ")}
    assert COMMANDS.keys() == ACTS | NEEDS_SERVERS | ALONE.keys() | bench
    assert not ACTS & (NEEDS_SERVERS | ALONE.keys())


@pytest.mark.parametrize("name", ALONE)
def test_with_json_stdout_is_one_document(name: str, home: Path) -> None:
    arguments = [str(home / one) if one == str(READINGS) else one for one in ALONE[name]]
    done = CliRunner().invoke(app, [*name.split(), *arguments, "--json"])
    assert done.exit_code in {0, 1}, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert done.stdout.count("\n") == 1


def test_what_is_no_number_is_null_and_a_moment_is_iso(home: Path) -> None:
    done = CliRunner().invoke(app, ["query", *ALONE["query"], "--json"])
    assert json.loads(done.stdout) == [{
        "segment_id": "s:a", "window_start": "2018-03-05T00:00:00+00:00", "speed_kmh_mean": None,
        "window_date": "2018-03-05",
    }]  # fmt: skip


def test_without_json_a_person_reads_a_table(home: Path) -> None:
    done = CliRunner().invoke(app, ["query", "SELECT 1 AS one, 'x' AS name"])
    _, head, _, row = done.stdout.splitlines()[:4]
    assert head.split() == ["one", "name"]
    assert row.split() == ["1", "x"]
    shown = CliRunner().invoke(app, ["dlq", "show", "0", "7"]).stdout
    assert "raw_value        \\xff\x00" in shown

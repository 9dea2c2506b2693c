"""What a caller writes on the command line is a value, never SQL, a path or a program."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from ingestion.dead_letter_query import DeadLetterFilter, dead_letters
from ingestion.reading_query import scan
from lakehouse.as_of import query
from lakehouse.cli import app
from lakehouse.sql import refuse_all_but_a_select
from lakehouse.tables import Lake, Note
from specs.errors import SpecError, WrongInput

INJECTIONS = (
    "' OR '1'='1", "'; DROP TABLE dead; --", "$1", "x') OR true --", "\\' OR 1=1 --", "''", '"',
    "%", "_", "\x00", "../../etc/passwd", "$(touch /tmp/owned)", "`id`", "é\u202e",
)  # fmt: skip


@pytest.fixture
def one_dead_letter(lake: Lake) -> Lake:
    table = lake.table("bronze.dead_letter")
    moment = datetime(2018, 3, 5, tzinfo=UTC)
    row = {
        field.name: {
            "topic": "traffic_event", "partition": 0, "offset": 0, "raw_value": b'{"source":"nyc"}',
            "rule_ids": ["key_present"], "reason": "no key",
        }.get(field.name) for field in table.schema
    }  # fmt: skip
    for field in table.schema:
        if row[field.name] is None and not field.nullable:
            row[field.name] = moment if "timestamp" in str(field.type) else "x"
    import pyarrow as pa

    table.append(pa.Table.from_pylist([row], schema=table.schema), Note("test", "v"))
    return lake


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_filter_of_dead_letters_finds_what_it_says_and_no_more(
    one_dead_letter: Lake, text: str
) -> None:
    assert dead_letters(one_dead_letter, DeadLetterFilter(source="nyc")).num_rows == 1
    assert dead_letters(one_dead_letter, DeadLetterFilter(source=text)).num_rows == 0
    assert dead_letters(one_dead_letter, DeadLetterFilter(reason=f"key{text}")).num_rows == 0


@pytest.mark.parametrize("statement", [
    "COPY (SELECT 1) TO '{path}'", "ATTACH '{path}'", "SELECT 1; SELECT 2", "SET threads = 9",
    "INSTALL httpfs", "CREATE TABLE t AS SELECT 1", "EXPORT DATABASE '{path}'", "", "--",
    "SELECT 1; COPY (SELECT 1) TO '{path}'", "PRAGMA database_list", "CALL pragma_version()",
])  # fmt: skip
def test_a_query_only_reads(statement: str, lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "written"
    with pytest.raises(WrongInput, match="one SELECT is wanted"):
        query(lake, statement.format(path=path))
    assert not path.exists()


@pytest.mark.parametrize("statement", [
    "SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "FROM range(3)", "SELECT ';' -- ; COPY",
])  # fmt: skip
def test_a_select_is_one_however_it_is_written(statement: str) -> None:
    refuse_all_but_a_select(statement)


def test_a_query_that_cannot_be_parsed_says_where() -> None:
    with pytest.raises(SpecError, match="syntax error"):
        refuse_all_but_a_select("SELEC 1")


@pytest.mark.parametrize("name", ["it's.csv", "a');--.csv", 'b"c.csv', "; drop.csv", "d%20e.csv"])
def test_a_file_is_read_by_its_own_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text("speed\n1\n")
    assert duckdb.sql(f"SELECT speed FROM {scan(file)}").fetchall() == [(1,)]


@pytest.mark.parametrize("text", ["../../etc/passwd", "nyc_dot/../nyc_dot", "'", "/dev/null", "\n"])
@pytest.mark.parametrize("command", [
    ("produce", "replay", "--bootstrap", "127.0.0.1:1", "--source"), ("segment", "load"),
    ("deploy", "fetch"), ("api-key", "revoke"),
])  # fmt: skip
def test_a_name_is_looked_up_and_never_a_path(
    command: tuple[str, ...], text: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, [*command, text], env={"TRAFFIC_HOME": str(tmp_path)})
    assert isinstance(result.exception, WrongInput | SystemExit)
    assert result.exit_code != 0
    assert not list(tmp_path.rglob("passwd*"))

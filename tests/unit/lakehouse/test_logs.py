"""What jobs say on stderr: JSON lines in a file, text for a person, and never a secret."""

import io
import json
import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from lakehouse import logs
from lakehouse.settings import Settings

SECRETS = ("hunter2", "s3cr3t-t0ken", "AKIA-very-private")


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    names = ("", *logs.OURS)
    before = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def leaky(log: logging.Logger) -> None:
    """Say every secret in a way that one could slip in."""
    facts = {
        "password": SECRETS[0], "api_key": SECRETS[2], "setting": SecretStr(SECRETS[1]),
        "address": f"https://me:{SECRETS[0]}@registry.example/x", "Authorization": SECRETS[1],
        "offsets": {"0": "1-2"},
    }  # fmt: skip
    log.info("asked %s", f"http://:{SECRETS[0]}@host/path", extra={"facts": facts})
    log.warning(f"header Authorization: Bearer {SECRETS[1]}, aws_secret='{SECRETS[2]}'")
    try:
        raise ValueError(f"trino_password={SECRETS[0]} was refused")
    except ValueError:
        log.exception("failed")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["file", "terminal"])
def test_no_secret_is_written(stream: io.StringIO) -> None:
    logs.tell_events(stream)
    leaky(logging.getLogger("lakehouse.test"))
    said = stream.getvalue()
    assert [secret for secret in SECRETS if secret in said] == []
    assert "registry.example/x" in said
    assert "1-2" in said
    assert "was refused" in said


def test_an_event_is_one_json_object_on_one_line() -> None:
    stream = io.StringIO()
    logs.tell_events(stream)
    leaky(logging.getLogger("ingestion.lander"))
    logging.getLogger("py4j").info("chatter of others")
    first, second, third = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"], first["offsets"]) == (
        "asked http://***@host/path", "info", "ingestion.lander", {"0": "1-2"}
    )  # fmt: skip
    assert first["at"].endswith("+00:00")
    assert second["level"] == "warning"
    assert third["exception"].startswith("Traceback")


def test_the_last_words_of_a_process_are_read_by_a_person() -> None:
    stream = io.StringIO()
    logs.tell_events(stream)
    leaky(logging.getLogger("ingestion.lander"))
    _, asked, event, *traceback = logs.last_words("a line\n\n" + stream.getvalue()).splitlines()
    assert (asked, event.partition(" ")[0]) == ("asked http://***@host/path", "header")
    assert traceback[0] == "failed"
    assert "ValueError" in traceback[-1]
    for line in ("no JSON", "7", "[7]", '{"level": "info"}'):
        assert logs.last_words(line) == line
    assert logs.last_words("\n") == ""


def test_the_last_words_are_not_those_of_libraries_that_clean_up() -> None:
    error = '{"level": "error", "event": "the disk is full"}'
    old = '{"level": "error", "event": "an outcome was refused"}'
    leaks = [
        "nanobind: leaked 27 instances!",
        ' - leaked instance 0x55c3859e9ce0 of type "_duckdb._sqltypes.DuckDBPyType"',
        " - ... skipped remainder", "nanobind: leaked 111 functions!",
        ' - leaked function "close"', "nanobind: this is likely caused by a reference counting"
        " issue in the binding code.", "See https://nanobind.readthedocs.io/en/latest/refleaks.html",
    ]  # fmt: skip
    noise = [f"WARN SparkContext {number}" for number in range(40)]
    told = logs.last_words("\n".join([old, error, *noise, *leaks])).splitlines()
    assert told == ["the disk is full", *noise[-logs.QUOTED_LINES :]]
    told = logs.last_words("\n".join([old, *noise, error, *leaks])).splitlines()
    assert told == [*noise[1 - logs.QUOTED_LINES :], "the disk is full"]


def test_a_process_that_ends_complains_of_nothing_that_it_kept() -> None:
    program = """
        import duckdb
        from lakehouse.collector import keep_loaded
        keep_loaded()
        raise SystemExit(7)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (7, "")


def test_a_command_that_a_person_waits_for_says_only_what_is_wrong() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    logging.getLogger("lakehouse.test").info("an event")
    logging.getLogger("lakehouse.test").error("no such table")
    assert stream.getvalue() == "traffic: no such table\n"


def test_a_job_that_fails_says_so_as_json_and_no_more(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", trino_password=SecretStr(SECRETS[0]))
    done = subprocess.run(
        [sys.executable, "-m", "lakehouse", "land", "--once"], env=settings.environment(),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    said = json.loads(line)
    assert (said["level"], said["logger"]) == ("error", "lakehouse.cli")
    assert "kafka is not running" in said["event"]

"""`traffic --help`: instant, since nothing heavy is imported for it, and it reads well."""

import subprocess
import sys
from typing import Any

import pytest
import typer

from lakehouse.cli import app

HEAVY = (
    "pyspark", "mlflow", "sklearn", "pyarrow", "great_expectations", "pandas", "numpy", "duckdb",
    "deltalake", "confluent_kafka", "kafka", "yaml", "fastapi", "trino",
    "typer.rich_utils",
)  # fmt: skip
"""The last is most of what a help in colours takes, 0.2 of 0.35 s."""


@pytest.mark.parametrize("command", ["", "specs", "model train"])
def test_help_imports_nothing_heavy(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lakehouse", *command.split(), "--help"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "lakehouse.commands.specs" in imported
    assert imported.intersection(HEAVY) == set()


COMMANDS: dict[str, Any] = getattr(typer.main.get_command(app), "commands", {})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_in_one_line_what_a_command_does(name: str) -> None:
    assert len(COMMANDS) > 20
    width = 80 - 6 - max(map(len, COMMANDS))
    told = COMMANDS[name].get_short_help_str(limit=width)
    assert told
    assert not told.endswith("...")

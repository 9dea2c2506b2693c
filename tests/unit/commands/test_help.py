"""`traffic --help`: instant, since nothing heavy is imported for it, and it reads well."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from lakehouse.cli import app

TRAFFIC = Path(sys.executable).with_name("traffic")
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


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    for words, expected in (("traffic dl", "dlq"), ("traffic specs di", "diff"),
                            ("traffic dlq list --js", "--json")):  # fmt: skip
        asked = {
            "_TRAFFIC_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": words,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args", "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }  # fmt: skip
        done = subprocess.run(
            [TRAFFIC], env={**os.environ, **asked}, capture_output=True, text=True,
            check=True, timeout=60,
        )  # fmt: skip
        assert expected in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_the_shell_can_read(shell: str) -> None:
    asked = {"_TRAFFIC_COMPLETE": f"source_{shell}"}
    done = subprocess.run(
        [TRAFFIC], env={**os.environ, **asked}, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert "_TRAFFIC_COMPLETE=complete_" in done.stdout
    program = shutil.which(shell)
    if program is not None:  # bash always is
        subprocess.run([program, "-n"], input=done.stdout, check=True, text=True, timeout=60)

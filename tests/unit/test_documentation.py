"""What README and docs say to type exists, and their links lead somewhere."""

import re
import shlex
from typing import Any

import pytest
from typer.main import get_command

from lakehouse.artifacts import ROOT
from lakehouse.cli import app

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob(".github/**/*.md"))
)
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def fault_of(line: str) -> str | None:
    """What our command line would not take of this; None where it takes all."""
    _, *words = shlex.split(line, comments=True)
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return f"no command {words[:1]}"
        command = command.commands[words.pop(0)]
    options = {name: one for one in command.params for name in one.opts if name[:1] == "-"}
    places = sum(1 for one in command.params if not any(name[:1] == "-" for name in one.opts))
    while words:
        word = words.pop(0)
        if word[:1] != "-":
            places -= 1
        elif word not in options:
            return f"no option {word}"
        elif not options[word].is_flag:
            words = words[1:]
    return None if places >= 0 else "too many arguments"


def commands(text: str, program: str) -> set[str]:
    """What a page says to type, in code and in blocks of it."""
    found = re.findall(rf"`({program} [^`\n]+)`", text)
    found += re.findall(rf"^({program} .*)$", text, re.MULTILINE)
    return {line for line in found if line.split()[1][:1] not in {"…", "-"}}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    for line in commands(text, "traffic"):
        assert fault_of(line) is None, f"{line}: {fault_of(line)}"
    for line in commands(text, "make"):
        words = shlex.split(line.partition("&&")[0], comments=True)[1:]
        words = [word for word in words if "=" not in word]
        assert set(words) <= TARGETS, line


def test_commands_are_found_and_wrong_ones_are_told() -> None:
    assert len(commands((ROOT / "README.md").read_text(), "traffic")) > 30
    assert len(commands((ROOT / "docs/operations.md").read_text(), "traffic")) > 20
    for absent in ("traffic lands", "traffic model trian", "traffic up --wiht x", "traffic land 7"):
        assert fault_of(absent) is not None, absent


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text()):
        assert target.startswith("https://") or (folder / target).exists(), target


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "adr"
    listed = set(re.findall(r"\]\(([0-9]{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}
    for path in folder.glob("[0-9]*.md"):
        text = path.read_text()
        for section in ("## Decision", "## Measured", "## Consequences"):
            assert section in text, path.name

"""What README and docs say to type exists, and their links lead somewhere."""

import re
import shlex
import subprocess
from itertools import takewhile
from typing import Any

import pytest
from typer.main import get_command

from lakehouse.artifacts import ROOT
from lakehouse.cli import app
from tests.pages import PAGES, blocks, blocks_of, differs
from tests.pages import fault_of as fault_of_block

TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

SHELLS_OWN = {">", "2>&1", "|", "||", "&", "&&"}
TYPED = r"^({program} (?:[^\n\"\\]|\\.|\\\n|\"[^\"]*\")*)$"
"""A line of a block, with those that a quote or a backslash adds to it."""


RUNBOOK = "docs/operations.md"
UNTYPED = {"bench freshness", "bench api", "metrics serve"}
"""Two measure for minutes; the exporter is what `traffic up --with monitoring` starts."""


def asked(line: str) -> tuple[str, set[str]]:
    """Names and options of a command of ours."""
    words = list(takewhile(lambda word: word not in SHELLS_OWN, shlex.split(line, comments=True)))
    command, names = get_command(app), []
    for word in words[1:]:
        if word in getattr(command, "commands", {}):
            command = command.commands[word]  # type: ignore[attr-defined]
            names.append(word)
    return " ".join(names), {word for word in words if word[:2] == "--"}


def fault_of(line: str) -> str | None:
    """What our command line would not take of this; None where it takes all."""
    typed = shlex.split(line.replace("\\\n", " "), comments=True)
    _, *words = takewhile(lambda word: word not in SHELLS_OWN, typed)
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return f"no command {words[:1]}"
        command = command.commands[words.pop(0)]
    options = {
        name: one
        for one in command.params for name in (*one.opts, *one.secondary_opts) if name[:1] == "-"
    }  # fmt: skip
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
    found += re.findall(TYPED.format(program=program), text, re.MULTILINE)
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


def test_what_the_runbook_says_to_type_is_typed_by_some_test() -> None:
    typed = [
        asked(line)
        for page in PAGES for block in blocks(page) if block.mark in {"run", "see"}
        for line in commands(block.text, "traffic")
    ]  # fmt: skip
    assert len(typed) > 40
    for line in sorted(commands((ROOT / RUNBOOK).read_text(), "traffic")):
        name, options = asked(line)
        is_typed = any(name == one and options <= given for one, given in typed)
        assert is_typed or name in UNTYPED, line


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


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_shell_is_executed_or_says_which_test_does_the_like(page: str) -> None:
    before = None
    for block in blocks(page):
        assert fault_of_block(block, before) is None, f"{block}: {fault_of_block(block, before)}"
        before = block


@pytest.mark.parametrize(
    ("mark", "language", "fault"),
    [
        ("", "sh", "mark it"),
        ("<!-- run -->", "sql", "does not run"),
        ("<!-- output -->", "text", "output follows"),
        ("<!-- see tests/pages.py -->", "sh", "say where"),
        ("<!-- see tests/absent.py: it takes hours -->", "sh", "tests/absent.py is no test"),
        ("<!-- see README.md: it takes hours -->", "sh", "README.md is no test"),
        ("<!-- see tests/pages.py::test_it: takes hours -->", "sh", "has no test test_it"),
    ],
)
def test_a_block_that_nothing_executes_is_told(mark: str, language: str, fault: str) -> None:
    (block,) = blocks_of("page.md", f"Text.\n\n{mark}\n```{language}\ntraffic up\n```\n")
    assert fault in str(fault_of_block(block, None))
    assert (block.line, block.text) == (4, "traffic up\n")


def test_each_block_has_the_mark_above_it() -> None:
    text = (
        "<!-- run -->\n```diff\n-a\n```\n\n"
        "```yaml\na: 1\n```\n"
        "<!-- file: a/b.py -->\n```py\n1\n```\n"
    )
    marks = [(one.language, one.mark, one.argument) for one in blocks_of("page.md", text)]
    assert marks == [("diff", "run", ""), ("yaml", None, ""), ("py", "file", "a/b.py")]


@pytest.mark.parametrize("page", PAGES)
def test_every_diff_of_a_page_applies(page: str) -> None:
    for block in blocks(page):
        if block.language == "diff":
            subprocess.run(
                ["git", "apply", "--check", "-"], input=block.text, text=True, cwd=ROOT, check=True
            )


def test_what_is_printed_is_compared_but_for_what_a_page_leaves_open() -> None:
    assert not differs("a … s\nb", "a 1.5 s  \nb\n")
    assert not differs("first\n…\nlast", "first\n1\n2\nlast\n")
    assert differs("a … s\nb", "a 1.5 s\nc")
    assert differs("a", "a\nb")

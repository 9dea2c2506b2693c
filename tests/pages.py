"""The blocks of code in README and docs, and what the comment above each says is done with it.

<!-- run -->                      it runs: shell with bash, a diff with `git apply`
<!-- output -->                   what the block before printed; … stands for anything
<!-- file: NAME -->               it is the content of that file
<!-- see PLACE: REASON -->        PLACE, a test or `.ci/run`, does the like; why not here
"""

import re
from dataclasses import dataclass

from lakehouse.artifacts import ROOT

SHELL = {"sh", "bash", "shell", "console"}
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>run|output|file|see)(?:(?::| )\s*(?P<argument>[^\n]*?))? -->\n)?"
    r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob(".github/**/*.md"),
        *(ROOT / "specs").rglob("*.md"),
        *ROOT.glob(".specify/memory/*.md"),
    )
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    section: str
    line: int
    language: str
    text: str
    mark: str | None
    argument: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> list[Block]:
    return [
        Block(
            page, _section(text[: found.start()]), text[: found.start("language")].count("\n") + 1,
            found["language"], found["text"], found["mark"], found["argument"] or "",
        )
        for found in BLOCK.finditer(text)
    ]  # fmt: skip


def _section(before: str) -> str:
    """The heading that a block stands under; empty above the first."""
    return before.rpartition("\n## ")[2].partition("\n")[0] if "\n## " in before else ""


def blocks(page: str) -> list[Block]:
    return blocks_of(page, (ROOT / page).read_text())


def _place_fault(argument: str) -> str | None:
    """Why a block is not answered for by what its mark names."""
    place, colon, reason = argument.partition(": ")
    if not colon or len(reason.split()) < 2:
        return "say where it is tested and why not here: <!-- see PLACE: REASON -->"
    file, _, test = place.partition("::")
    if not file.startswith(("tests/", ".ci/run")) or not (ROOT / file).exists():
        return f"{file} is no test"
    if test and f"def {test}(" not in (ROOT / file).read_text():
        return f"{file} has no test {test}"
    return None


def fault_of(block: Block, before: Block | None) -> str | None:
    """Why a block is neither executed nor answered for elsewhere; None where it is."""
    is_shell = block.language in SHELL
    if block.mark == "output":
        ran = before is not None and before.mark in {"run", "output"}
        return None if ran else "output follows a block that runs"
    if block.mark == "see":
        return _place_fault(block.argument)
    if is_shell and block.mark != "run":
        return "mark it <!-- run --> or <!-- see PLACE: REASON -->"
    if block.mark == "run" and not (is_shell or block.language == "diff"):
        return f"a block of {block.language or 'text'} does not run"
    return None


def differs(wanted: str, printed: str) -> bool:
    """Whether what was printed is not what a page says, where … stands for anything."""
    lines = [
        "\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (wanted, printed)
    ]
    pattern = ".*?".join(re.escape(part.strip(" ")) for part in lines[0].split("…"))
    return re.fullmatch(pattern, lines[1], re.DOTALL) is None

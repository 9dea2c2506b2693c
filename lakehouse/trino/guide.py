"""The SQL guide: its questions, and how its answers are held against those of today."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from specs.errors import WrongInput

GUIDE = Path(__file__).parents[2] / "docs" / "sql.md"

QUESTION = re.compile(
    r"^### (?:(?P<number>\d+)\. )?(?P<title>[^\n]+)\n"
    r"(?:(?!^#|^<!--|^```)[^\n]*\n)*"
    r"(?:<!-- by the (?:model|clock): (?P<moving>[^\n]*) -->\n)?"
    r"```sql\n(?P<sql>.*?)\n```\n+"
    r"<!-- answer -->\n(?P<answer>.*?)<!-- /answer -->",
    re.MULTILINE | re.DOTALL,
)

MOVING = re.compile(r"(?P<column>\w+) ± (?P<bound>\d+(?:\.\d+)?)(?P<percent> %)?")

Table = list[list[str]]
"""Cells of a Markdown table, its head first, without the rule below it."""


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be from the guide's: a share of it, or so much."""

    relative: float = 0.0
    absolute: float = 0.0


EXACT = Tolerance()
ROUNDING = 1e-9
"""Numbers of decimal digits are none of two's."""


@dataclass(frozen=True)
class Question:
    """One question with its answer.

    Attributes:
        number: in the guide; 0 where it has none.
        title: the question in words.
        sql: its query.
        answer: what the guide prints.
        moving: by how much the numbers of a column may differ which a newly trained model moves,
            or when a commit was made; all others are compared as they are.
    """

    number: int
    title: str
    sql: str
    answer: Table
    moving: Mapping[str, Tolerance]


def questions(path: Path = GUIDE) -> list[Question]:
    """Read all questions of the guide, in order.

    Raises:
        WrongInput: the guide is absent: it is part of a checkout, not of the installed package.
    """
    return [_question(match) for match in QUESTION.finditer(_text(path))]


def renewed(path: Path, answer: Callable[[str], str]) -> str:
    """Text of the guide with every answer made anew.

    Args:
        path: the guide.
        answer: from a query to its Markdown table.
    """

    def renew(match: re.Match[str]) -> str:
        head = match[0][: match.start("answer") - match.start()]
        return f"{head}{answer(match['sql'])}\n<!-- /answer -->"

    return QUESTION.sub(renew, _text(path))


def cells(markdown: str) -> Table:
    """Cells of a Markdown table."""
    lines = [line.strip().strip("|") for line in markdown.strip().splitlines()]
    table = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    return table[:1] + table[2:]


def differences(question: Question, found: Table) -> Iterator[str]:
    """What of today's answer is not what the guide says, one line each."""
    if len(found) != len(question.answer) or found[0] != question.answer[0]:
        yield f"{len(found) - 1} rows of {found[0]} instead of {len(question.answer) - 1}"
        return
    for name in question.moving.keys() - set(found[0]):
        yield f"there is no column {name} that could move"
    for row, (here, there) in enumerate(zip(found[1:], question.answer[1:], strict=True), start=1):
        for name, new, old in zip(found[0], here, there, strict=True):
            if not _agree(new, old, question.moving.get(name, EXACT)):
                yield f"row {row}, {name}: {new} instead of {old}"


def _agree(new: str, old: str, tolerance: Tolerance) -> bool:
    """Whether two cells say the same.

    Fractions may differ by one in the last digit: a sum depends on the order of its terms, and so
    does on which side of a half it falls.
    """
    if new == old:
        return True
    try:
        digits = max(len(text.partition(".")[2]) for text in (new, old))
        last_digit = 10.0**-digits if digits else 0.0
        bound = max(tolerance.relative * abs(float(old)), tolerance.absolute, last_digit)
        return abs(float(new) - float(old)) <= bound * (1 + ROUNDING)
    except ValueError:
        return False


def _question(match: re.Match[str]) -> Question:
    answer = cells(match["answer"]) if match["answer"].strip() else []
    moving = _moving(match["moving"]) if match["moving"] else {}
    return Question(int(match["number"] or 0), match["title"], match["sql"], answer, moving)


def _moving(text: str) -> dict[str, Tolerance]:
    found = {}
    for part in text.split(", "):
        match = MOVING.fullmatch(part)
        if match is None:
            raise WrongInput(f"the guide says {part!r}; write `column ± 0.1` or `column ± 10 %`")
        bound = float(match["bound"])
        is_share = match["percent"] is not None
        found[match["column"]] = Tolerance(bound / 100) if is_share else Tolerance(0.0, bound)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise WrongInput(f"cannot read the guide: {error}") from error

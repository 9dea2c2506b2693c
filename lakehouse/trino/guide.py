"""The SQL guide: its questions, and how its answers are held against those of today."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from specs.errors import WrongInput

GUIDE = Path(__file__).parents[2] / "docs" / "sql.md"

QUESTION = re.compile(
    r"^### (?:(?P<number>\d+)\. )?(?P<title>[^\n]+)\n"
    r"(?:(?!^#|^<!--|^```)[^\n]*\n)*"
    r"(?:<!-- within (?P<percent>\d+) % -->\n)?"
    r"```sql\n(?P<sql>.*?)\n```\n+"
    r"<!-- answer -->\n(?P<answer>.*?)<!-- /answer -->",
    re.MULTILINE | re.DOTALL,
)

Table = list[list[str]]
"""Cells of a Markdown table, its head first, without the rule below it."""


@dataclass(frozen=True)
class Question:
    """One question with its answer.

    Attributes:
        number: in the guide; 0 where it has none.
        title: the question in words.
        sql: its query.
        answer: what the guide prints.
        tolerance: by what share a number may differ: forecasts depend on a model's training.
    """

    number: int
    title: str
    sql: str
    answer: Table
    tolerance: float


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
    for row, (here, there) in enumerate(zip(found[1:], question.answer[1:], strict=True), start=1):
        for name, new, old in zip(found[0], here, there, strict=True):
            if not _agree(new, old, question.tolerance):
                yield f"row {row}, {name}: {new} instead of {old}"


def _agree(new: str, old: str, tolerance: float) -> bool:
    """Whether two cells say the same.

    Fractions may differ by one in the last digit: a sum depends on the order of its terms, and so
    does on which side of a half it falls.
    """
    if new == old:
        return True
    try:
        digits = max(len(text.partition(".")[2]) for text in (new, old))
        last_digit = 10.0**-digits * 1.01 if digits else 0.0
        return math.isclose(float(new), float(old), rel_tol=tolerance, abs_tol=last_digit)
    except ValueError:
        return False


def _question(match: re.Match[str]) -> Question:
    percent = int(match["percent"] or 0)
    answer = cells(match["answer"]) if match["answer"].strip() else []
    return Question(int(match["number"] or 0), match["title"], match["sql"], answer, percent / 100)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise WrongInput(f"cannot read the guide: {error}") from error

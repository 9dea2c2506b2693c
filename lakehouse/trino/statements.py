"""Cuts SQL text into statements."""

import re
from collections.abc import Iterator

TOKEN = re.compile(
    r"""
      '(?:[^']|'')*'?          # a text; unfinished at the end of the input
    | "(?:[^"]|"")*"?          # a quoted name
    | --[^\n]*                 # a comment to the end of the line
    | /\*(?:.|\n)*?(?:\*/|\Z)  # a comment
    | ;
    | [^'"\-/;]+ | .
    """,
    re.VERBOSE,
)


def statements(text: str) -> tuple[list[str], str]:
    """Cut ``text`` at the semicolons that stand in no text, quoted name or comment.

    Returns:
        The finished statements, without their semicolons and never only comments or space, and
        what stands after the last semicolon.
    """
    found: list[str] = []
    current: list[str] = []
    for part in _tokens(text):
        if part == ";":
            found.append("".join(current))
            current = []
        else:
            current.append(part)
    return [statement.strip() for statement in found if says_something(statement)], "".join(current)


def says_something(text: str) -> bool:
    """Whether there is more than comments and space."""
    return any(part.strip() and not part.startswith(("--", "/*")) for part in _tokens(text))


def _tokens(text: str) -> Iterator[str]:
    return (match[0] for match in TOKEN.finditer(text))

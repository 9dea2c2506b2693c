"""One day's report as one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Literal

STYLE = Path(__file__).with_name("docs.css")
State = Literal["met", "missed", "not measured", "passed", "failed", "ok"]
_GOOD: frozenset[State] = frozenset({"met", "passed", "ok"})
_BAD: frozenset[State] = frozenset({"missed", "failed"})


@dataclass(frozen=True)
class Status:
    """A cell that says whether something is as it should be."""

    state: State

    @property
    def is_bad(self) -> bool:
        """Something is not as it should be."""
        return self.state in _BAD


Cell = str | int | float | None | Status


@dataclass(frozen=True)
class Section:
    """A table with a title.

    Attributes:
        title: its heading.
        lead: what its numbers mean, one or two sentences.
        columns: headings; each row has as many cells.
        rows: the cells; None is shown as a dash.
        empty: what stands there instead of a table without rows.
    """

    title: str
    lead: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    empty: str = "Nothing that day."


def _cell(cell: Cell) -> str:
    if isinstance(cell, Status):
        kind = "passed" if cell.state in _GOOD else "failed" if cell.is_bad else "no-rows"
        return f'<td><span class="status {kind}">{cell.state}</span></td>'
    if cell is None:
        return "<td>-</td>"
    if isinstance(cell, int | float):
        shown = f"{cell:,}" if isinstance(cell, int) else f"{cell:,.3f}"
        return f'<td class="number">{shown}</td>'
    return f"<td>{escape(cell)}</td>"


def _heading(column: str, below: Cell) -> str:
    kind = ' class="number"' if isinstance(below, int | float) else ""
    return f"<th{kind}>{escape(column)}</th>"


def _section(section: Section) -> str:
    if section.rows:
        head = "".join(map(_heading, section.columns, section.rows[0]))
        body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in section.rows)
        shown = (
            f'<div class="table-responsive"><table>\n<thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody>\n</table></div>"
        )
    else:
        shown = f"<p>{escape(section.empty)}</p>"
    return (
        f"<section>\n<h2>{escape(section.title)}</h2>\n"
        f'<p class="lead">{escape(section.lead)}</p>\n{shown}\n</section>'
    )


def report_page(day: date, written: str, sections: Sequence[Section]) -> str:
    """The page: what is off first, then each section.

    Args:
        day: which the report is about, UTC.
        written: when it was made, for a person.
        sections: in the order of reading.
    """
    off = [
        f"{section.title}: {row[0]}"
        for section in sections
        for row in section.rows
        if any(isinstance(cell, Status) and cell.is_bad for cell in row)
    ]
    verdict = (
        f'<p><span class="status failed">{len(off)} off</span> {escape("; ".join(off))}</p>'
        if off
        else '<p><span class="status passed">Nothing is off</span></p>'
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data quality {day}</title>
<style>
{STYLE.read_text()}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
section {{ margin-top: 2rem; }}
</style>
</head>
<body class="index">
<h1>Data quality of {day}</h1>
<p>Everything that was landed, gated and committed on that day (UTC). Written {escape(written)}.</p>
{verdict}
{chr(10).join(map(_section, sections))}
</body>
</html>
"""

"""Pages of the data docs: freed of what they load from elsewhere, and an index of their own."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from pathlib import Path

# Great Expectations' templates: scripts, styles, icons, a logo, advertisements, and a card of
# buttons that do nothing without the scripts.
_NOT_OURS = re.compile(
    r"<script\b.*?</script>|<style\b.*?</style>|<link\b[^>]*>|<img\b[^>]*>|<footer\b.*?</footer>"
    r'|<div class="card mb-3">\s*<div class="card-header p-2">\s*<strong>Actions</strong>'
    r".*?</div>\s*</div>\s*</div>\s*</div>\s*</div>",
    re.DOTALL,
)
_HOME = re.compile(r'(<div class="float-left navbar-brand[^>]*>\s*<a [^>]*>)\s*(</a>)')
_LOADING = {"src", "srcset", "poster", "data", "background", "action"}
_URL_IN_STYLE = re.compile(r"(?:url\(|@import)\s*['\"]?\s*(?:https?:)?//[^)'\"\s]*", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One table in the index."""

    table: str
    row_count: int
    sample_count: int
    expectation_count: int
    failed_count: int
    unseen_ids: tuple[str, ...] = ()

    @classmethod
    def without_rows(cls, table: str, expectation_count: int) -> "Line":
        """A table of which only the rules are known."""
        return cls(table, 0, 0, expectation_count, 0)

    @property
    def status(self) -> str:
        """``failed``, ``passed``, or ``no rows`` where nothing was validated."""
        if self.sample_count == 0:
            return "no rows"
        return "failed" if self.failed_count else "passed"


def offline_page(page: str, to_root: str) -> str:
    """The page with no script and one style sheet.

    Args:
        page: as Great Expectations made it.
        to_root: relative path from the page to the docs' folder, such as ``../../``.
    """
    page = _NOT_OURS.sub("", page)
    page = _HOME.sub(r"\1Data quality\2", page)
    style = f'<link rel="stylesheet" href="{to_root}static/docs.css">'
    return page.replace("</head>", f"{style}\n</head>", 1)


def _cells(line: Line, links: Mapping[str, str]) -> Iterator[str]:
    suite = links.get("expectations")
    result = links.get("validations")
    name = escape(line.table)
    state = line.status
    yield f'<span class="status {state.replace(" ", "-")}">{state}</span>'
    yield f'<a href="{escape(result)}">{name}</a>' if result else name
    yield f"{line.row_count:,}" if line.sample_count else ""
    sampled = line.sample_count < line.row_count
    yield f"{line.sample_count:,}{' (sample)' if sampled else ''}" if line.sample_count else ""
    rules = f"{line.expectation_count} expectations"
    yield f'<a href="{escape(suite)}">{rules}</a>' if suite else rules
    yield str(line.failed_count) if line.sample_count else ""
    yield escape(", ".join(line.unseen_ids))


def index_page(lines: Sequence[Line], links: Mapping[str, Mapping[str, str]]) -> str:
    """The first page.

    Args:
        lines: one a table.
        links: by table, the path of its ``expectations`` and its ``validations`` page.
    """
    titles = ("Status", "Table", "Rows", "Validated", "Suite", "Failed", "Judged only at landing")
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(line, links[line.table]))}</tr>"
        for line in lines
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data quality</title>
<link rel="stylesheet" href="static/docs.css">
</head>
<body class="index">
<h1>Data quality</h1>
<p>What each table promises, and how its rows keep it. Made by Great Expectations from the rules in
<code>specs/schemas/tables</code>.</p>
<table class="table">
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</body>
</html>
"""


class _References(HTMLParser):
    """Collects what a browser would load from another host; links to follow are not loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag's attributes."""
        for name, value in attrs:
            text = (value or "").strip()
            is_loaded = name in _LOADING or (name == "href" and tag != "a")
            if is_loaded and re.search(r"(^|[\s,])(https?:)?//", text, re.IGNORECASE):
                self.found.append(f"<{tag} {name}={text}>")
            elif name == "style":
                self.found += _URL_IN_STYLE.findall(text)

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        """Look at text, for that of a style sheet is text to this parser."""
        if self.get_starttag_text() and self.cdata_elem == "style":
            self.found += _URL_IN_STYLE.findall(data)


def outside_references(folder: Path) -> list[str]:
    """Everything that pages and style sheets below ``folder`` would load from elsewhere."""
    found = []
    for page in sorted(folder.rglob("*.html")):
        parser = _References()
        parser.feed(page.read_text())
        found += [f"{page.relative_to(folder)}: {reference}" for reference in parser.found]
    for sheet in sorted(folder.rglob("*.css")):
        references = _URL_IN_STYLE.findall(sheet.read_text())
        found += [f"{sheet.relative_to(folder)}: {reference}" for reference in references]
    return found

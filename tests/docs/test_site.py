"""The site of `make docs` is whole, and loads nothing from another host."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Request

from docs.site.hooks import turned, with_lists
from lakehouse.artifacts import ROOT

LOADS = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
DIAGRAMS = {"architecture.html": 3, "index.html": 1}


class Page(HTMLParser):
    """Links, what a browser would load, and names to jump to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"id", "name"} and value:
                self.names.add(value)
            if (tag, name) in LOADS and value:
                self.loads.append(value)
            if (tag, name) == ("a", "href") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder], cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.rglob("*.html")}


def test_every_page_of_docs_is_on_the_site(site: Path, pages: dict[Path, Page]) -> None:
    written = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    assert len(written) > 20
    names = {"README.html": "index.html"}
    for path in written:
        html = path.with_suffix(".html")
        assert site / html.with_name(names.get(html.name, html.name)) in pages


def test_no_page_loads_from_another_host(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        assert page.loads
        foreign = [one for one in page.loads if urlsplit(one).netloc]
        assert foreign == [], path.name


def test_no_style_loads_from_another_host(site: Path) -> None:
    styles = list(site.rglob("*.css"))
    assert styles
    for style in styles:
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text())


def test_every_link_and_anchor_of_the_site_leads_somewhere(
    site: Path, pages: dict[Path, Page]
) -> None:
    checked = 0
    for path, page in pages.items():
        for target in page.links + page.loads:
            parts = urlsplit(target)
            if parts.scheme in {"https", "mailto", "data"}:
                continue
            # the page for what is not found speaks from the root, since it may stand anywhere
            base = site if parts.path.startswith("/") else path.parent
            there = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            assert there.exists(), f"{path.name}: {target}"
            if parts.fragment and there in pages:
                assert unquote(parts.fragment) in pages[there].names, f"{path.name}: {target}"
            checked += 1
    assert checked > 1000


@pytest.fixture
def asked(browser: Browser, site: Path) -> Iterator[tuple[object, list[str]]]:
    """A page of the browser, and what it asked other places than the site for."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    foreign: list[str] = []

    def see(request: Request) -> None:
        if urlsplit(request.url).scheme in {"http", "https"}:
            foreign.append(request.url)

    page.on("request", see)
    yield page, foreign
    page.close()


@pytest.mark.parametrize("name", ["index.html", "architecture.html", "operations.html"])
def test_a_browser_without_a_network_shows_it_all(asked, site: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    page, foreign = asked
    page.goto((site / name).as_uri())
    if name in DIAGRAMS:
        page.wait_for_function(
            "count => document.querySelectorAll('div.mermaid').length === count",
            arg=DIAGRAMS[name],
        )
    assert foreign == []
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} is {wide} px wider than a phone"


def test_links_of_the_repository_become_links_of_the_site() -> None:
    assert turned("index.md", "../CONTRIBUTING.md") == "CONTRIBUTING.md"
    assert turned("adr/0001-land-without-spark.md", "../sql.md#who") == "../sql.md#who"
    assert turned("CONTRIBUTING.md", "docs/adr/README.md") == "adr/README.md"
    assert turned("adr/README.md", "../../SECURITY.md") == "../SECURITY.md"
    assert turned("index.md", "https://example.org/a.md") == "https://example.org/a.md"
    assert turned("index.md", "../specs/ml.yaml") is None


def test_a_list_after_a_paragraph_gets_the_line_that_it_wants() -> None:
    assert with_lists("**Do.**\n1. One\n2. Two\n   more\n3. Three") == (
        "**Do.**\n\n1. One\n2. Two\n   more\n3. Three"
    )

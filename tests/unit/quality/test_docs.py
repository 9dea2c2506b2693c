import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from quality.docs import build_docs
from quality.pages import outside_references
from specs.arrow import arrow_schema
from specs.loader import Specs
from specs.tables import TableSpec

LETTER = TableSpec.model_validate(
    {
        "table": "bronze.letter",
        "description": "A record and its key, which is not stored.",
        "key": ["n"],
        "columns": [{"name": "n", "type": "long", "description": "Number."}],
        "context": [{"name": "key", "type": "binary", "description": "Kafka key."}],
        "rules": [
            {"id": "in_range", "kind": "between", "column": "n", "min": 0, "max": 9},
            {"id": "key_present", "kind": "not_null", "column": "key"},
        ],
    }
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, specs: Specs) -> Path:
    folder: Path = tmp_path_factory.mktemp("site")
    names = ("gold.network_kpi", "ops.ledger")
    tables = {LETTER.table: LETTER, **{name: specs.tables[name] for name in names}}
    kpi = {
        "source": "city", "window_start": 0, "segment_count": 3, "congested_ratio": 0.5,
        "is_final": True, "committed_at": 0,
    }  # fmt: skip
    rows = {
        LETTER.table: pa.table({"n": [1, 2, 3, *[77] * 4000]}),
        "gold.network_kpi": pa.Table.from_pylist(
            [kpi], schema=arrow_schema(specs.tables["gold.network_kpi"])
        ),
    }
    (folder / "validations").mkdir()
    (folder / "validations" / "of_last_week.html").write_text("<img src='https://elsewhere/'>")
    shown = replace(specs, tables=tables)
    assert build_docs(shown, rows, folder) == folder / "index.html"
    return folder


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    assert outside_references(site) == []
    assert len(list(site.rglob("*.html"))) == 7  # index, 3 suites and one as stored, 2 validations


def test_no_page_has_a_script_or_an_identity(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert "<script" not in page.read_text()
        assert "dataContextId" not in page.read_text()


def test_every_page_finds_its_style_and_every_link_of_the_index_a_page(site: Path) -> None:
    for page in site.rglob("*.html"):
        (style,) = re.findall(r'<link rel="stylesheet" href="([^"]+)">', page.read_text())
        assert (page.parent / style).resolve() == site / "static" / "docs.css"
    links = re.findall(r'<a href="([^"]+)"', (site / "index.html").read_text())
    assert len(links) == 5  # 3 suites, 2 validations
    assert all((site / link).is_file() for link in links)


def test_the_index_says_how_each_table_stands(site: Path) -> None:
    index = (site / "index.html").read_text()
    lines = [re.sub(r"<[^>]+>", "|", line) for line in index.splitlines() if "<td>" in line]
    words = [[cell for cell in line.split("|") if cell] for line in lines]
    assert words[0][:2] == ["failed", "bronze.letter"]
    assert words[0][2:4] == ["4,003", "2,000 (sample)"]
    assert words[0][-1] == "key_present"
    assert words[1][:4] == ["passed", "gold.network_kpi", "1", "1"]
    assert words[2] == ["no rows", "ops.ledger", "2 expectations"]


def test_a_validation_page_shows_what_failed(site: Path) -> None:
    (page,) = (site / "validations" / "bronze" / "letter").rglob("*.html")
    assert "unexpected values found" in page.read_text()


@pytest.mark.parametrize(
    "loads",
    [
        "<script src='https://a/b.js'></script>",
        "<LINK rel=stylesheet href=http://a/b.css>",
        "<img src='//a/b.png'/>",
        "<img srcset='b.png 1x, https://a/b.png 2x'>",
        "<style>body { background: url('https://a/b.png') }</style>",
        "<style>@import 'https://a/b.css';</style>",
        "<p style='background: URL(//a/b.png)'>",
    ],
)
def test_whatever_a_browser_would_load_is_found(loads: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<html><a href='https://a/'>a</a>{loads}</html>")
    assert len(outside_references(tmp_path)) == 1


def test_style_sheets_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@import url(https://a/b.css); .x { color: red }")
    assert outside_references(tmp_path) == ["a.css: url(https://a/b.css"]


def test_a_link_to_follow_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<a href='https://a/'>https://a/</a><img src='b.png'>")
    assert outside_references(tmp_path) == []

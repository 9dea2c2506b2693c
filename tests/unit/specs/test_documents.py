"""The documents in Spec Kit's layout say what exists: every path, every promise, every part."""

import re
from pathlib import Path

import pytest

from lakehouse.artifacts import ROOT
from specs.loader import SPECS_FOLDER, Specs

CONSTITUTION = ROOT / ".specify" / "memory" / "constitution.md"
FEATURES = sorted(path for path in SPECS_FOLDER.glob("[0-9][0-9][0-9]-*") if path.is_dir())
PAGES = [CONSTITUTION, *(page for feature in FEATURES for page in sorted(feature.rglob("*.md")))]
PLACES = ("docs/", "specs/", "contracts/", "tests/", "ingestion/", "lakehouse/", "ml/", "quality/",
          "superset/", "airflow/", "deploy/", "benchmarks/")  # fmt: skip


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def paths(text: str) -> list[str]:
    """What a page names of the repository, in code."""
    return [word for word in re.findall(r"`([^`\s]+)`", text) if word.startswith(PLACES)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    assert [path for path in paths(page.read_text()) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("feature", FEATURES, ids=name)
def test_a_feature_has_all_its_parts(feature: Path) -> None:
    assert {page.relative_to(feature).as_posix() for page in feature.rglob("*.md")} == {
        "spec.md", "plan.md", "tasks.md", "contracts/README.md"
    }  # fmt: skip
    for page in feature.rglob("*.md"):
        assert paths(page.read_text()) or page.name == "spec.md", page
    assert re.search(r"^Status: (draft|done)$", (feature / "spec.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("feature", FEATURES, ids=name)
def test_what_is_done_has_no_open_task_and_every_sentence_is_seen(feature: Path) -> None:
    spec, tasks = (feature / "spec.md").read_text(), (feature / "tasks.md").read_text()
    boxes = re.findall(r"^- \[(.)\] \d+\. .* Shown by `[^`]+`\.$", tasks, re.MULTILINE)
    assert boxes
    assert len(boxes) == tasks.count("- [")
    assert ("Status: done" in spec) == (set(boxes) == {"x"})
    holds, seen = spec.partition("## How it is seen")[::2]
    numbered = set(re.findall(r"^(\d+)\. ", holds, re.MULTILINE))
    shown = {one for row in re.findall(r"^\| ([\d, ]+) \|", seen, re.MULTILINE)
             for one in row.split(", ")}  # fmt: skip
    assert numbered == shown


def test_promises_that_are_named_are_made(specs: Specs) -> None:
    made = {sla.id for sla in specs.system.slas}
    found = {
        word for page in PAGES
        for words in re.findall(r"promises? ([^.\n]+)", page.read_text())
        for word in re.findall(r"`([a-z_]+)`", words)
    }  # fmt: skip
    assert len(found) > 4
    assert found <= made


def test_features_are_numbered_without_a_hole() -> None:
    assert [int(path.name[:3]) for path in FEATURES] == list(range(1, len(FEATURES) + 1))


def test_markdown_and_spec_kit_are_no_part_of_the_fingerprint(specs: Specs) -> None:
    """Its `.yml` files configure Spec Kit, not us: with them no score could name its specs."""
    read = [path.relative_to(SPECS_FOLDER) for path in SPECS_FOLDER.rglob("*.yaml")]
    assert [
        path for path in read if path.parts[0] == "speckit" or path.parts[0][:3].isdigit()
    ] == []

"""docs/threats.md names tests that exist, at least one for each threat."""

import re

from lakehouse.artifacts import ROOT


def test_each_threat_has_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "threats.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 12
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for path, name in named:
            assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name
        assert len(named) == row.count("`tests/"), row

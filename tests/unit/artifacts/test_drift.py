"""`traffic specs build`: what is made is what is committed, and a drift is named."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehouse.artifacts import MADE_BY, OWNED, ROOT, differing, made, write
from lakehouse.commands.specs import app
from lakehouse.trino.statements import statements
from lakehouse.trino.views import view_statements
from specs.errors import WrongInput
from specs.loader import Specs, load_specs

FILES = made(load_specs())


def test_the_committed_files_are_what_the_specs_make() -> None:
    assert differing(FILES) == [], "run `traffic specs build`"


def test_every_kind_of_file_is_made() -> None:
    kinds = {str(Path(path).parent) for path in FILES}
    assert kinds >= {
        "contracts", "contracts/topics", "contracts/expectations", "deploy/prometheus",
        "deploy/trino", "deploy/grafana/dashboards", "superset/assets/datasets/Lakehouse", "docs",
        "tests/cases", "tests/cases/rows", "tests/cases/batches", "tests/cases/events",
    }  # fmt: skip


def test_making_twice_gives_the_same_text() -> None:
    assert made(load_specs()) == FILES


def clone(folder: Path) -> Path:
    (folder / "pyproject.toml").touch()
    write(FILES, folder)
    return folder


def test_a_changed_an_absent_and_a_leftover_file_drift(tmp_path: Path) -> None:
    root = clone(tmp_path)
    assert differing(FILES, root) == []
    (root / "docs/data-dictionary.md").write_text("edited by hand\n")
    (root / "contracts/gold.odcs.yaml").unlink()
    (root / "tests/cases/rows/gold.gone.json").write_text("[]\n")
    drifted = ["contracts/gold.odcs.yaml", "docs/data-dictionary.md",
               "tests/cases/rows/gold.gone.json"]  # fmt: skip
    assert differing(FILES, root) == drifted
    assert write(FILES, root) == drifted
    assert differing(FILES, root) == []


def test_files_beside_the_made_ones_are_left_alone(tmp_path: Path) -> None:
    root = clone(tmp_path)
    (root / "docs/sql.md").write_text("by hand\n")
    assert differing(FILES, root) == []
    assert not any("docs/".startswith(folder) for folder in OWNED)


def test_nothing_is_written_outside_a_clone(tmp_path: Path) -> None:
    for look in (write, differing):
        with pytest.raises(WrongInput, match="is no clone of the repository"):
            look(FILES, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_check_names_what_drifted_and_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = ROOT / "docs/data-dictionary.md"
    text = changed.read_text()
    fine = CliRunner().invoke(app, ["build", "--check"])
    assert (fine.exit_code, fine.output) == (0, "")
    monkeypatch.setattr("specs.dictionary.INTRODUCTION", "Another introduction.\n")
    found = CliRunner().invoke(app, ["build", "--check"])
    assert (found.exit_code, found.output) == (
        1, "docs/data-dictionary.md differs from the specs\n",
    )  # fmt: skip
    assert changed.read_text() == text


def test_trinos_script_is_the_statements_that_the_catalog_gets(specs: Specs) -> None:
    found, rest = statements(FILES["deploy/trino/views.sql"])
    wanted = [
        one for name in sorted(specs.views) for one in view_statements(specs.views[name], specs)
    ]
    wanted[0] = f"-- {MADE_BY}\n{wanted[0]}"
    assert (found, rest.strip()) == (wanted, "")

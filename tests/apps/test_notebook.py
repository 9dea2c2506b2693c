"""The notebook runs from its first cell to its last, asks through Trino, and draws."""

import warnings
from pathlib import Path

import pytest

from lakehouse.artifacts import ROOT
from lakehouse.settings import Settings

with warnings.catch_warnings():  # of Jupyter's own packages, on their import
    warnings.simplefilter("ignore")
    import nbformat
    from nbclient import NotebookClient

NOTEBOOK = ROOT / "docs" / "notebooks" / "explore_gold.ipynb"
CELL_SECONDS = 120
DRAWN = 5


def test_the_notebook_keeps_no_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.cell_type == "markdown" or (not cell.outputs and cell.execution_count is None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_cell_runs_and_every_question_is_drawn(
    settings: Settings, trino: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, kernel_name="python3",
        resources={"metadata": {"path": str(ROOT)}},
    )  # fmt: skip
    client.execute()
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    assert [one for one in outputs if one.output_type in {"error", "stream"}] == []
    assert sum("image/png" in one.get("data", {}) for one in outputs) == DRAWN
    nbformat.write(notebook, tmp_path / "executed.ipynb")

"""The shipped specs in a folder of their own, edited as a person would: the text of a file."""

import shutil
from pathlib import Path

from specs.loader import SPECS_FOLDER, Specs, load_specs

Edit = tuple[str, str, str]
"""A file below the folder, a text that it holds once, and the text to put there."""


def edited_folder(folder: Path, *edits: Edit) -> Path:
    """Copy the shipped specs to ``folder`` / specs, edit them there and return that folder."""
    copy = folder / "specs"
    shutil.copytree(SPECS_FOLDER, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name, old, new in edits:
        text = (copy / name).read_text()
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        (copy / name).write_text(text.replace(old, new))
    return copy


def edited_specs(folder: Path, *edits: Edit) -> Specs:
    return load_specs(edited_folder(folder, *edits))

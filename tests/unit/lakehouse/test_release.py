"""What a release writes says its format; what a newer one wrote is refused, and left alone."""

from pathlib import Path

import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from lakehouse.release import FORMAT, TABLE_FORMAT, refuse_newer_checkpoint
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.errors import SpecError, WrongInput
from specs.loader import Specs
from specs.system import SPEC_VERSION
from tests.edited_specs import edited_specs
from tests.rows import segment, table

ROAD = "silver.road_segment"


def test_a_new_table_says_its_format(lake: Lake) -> None:
    assert lake.table(ROAD).progress(TABLE_FORMAT) == FORMAT


def test_a_table_from_before_there_were_formats_is_opened(lake: Lake, specs: Specs) -> None:
    rows = table(lake, ROAD, [segment("simulator:a", source="simulator")])
    folder = lake.folder("silver.older")
    write_deltalake(folder, rows)
    folder.rename(lake.folder(ROAD).with_name("kept"))
    made = lake.folder(ROAD)
    made.rename(made.with_name("made"))
    made.with_name("kept").rename(made)
    assert DeltaTable(made).transaction_version(TABLE_FORMAT) is None
    assert Lake(lake.root, specs).table(ROAD).read().num_rows == 1


def test_a_table_of_a_newer_release_is_refused_in_one_line_and_left_alone(
    lake: Lake, specs: Specs
) -> None:
    rows = table(lake, ROAD, [segment("simulator:a", source="simulator")])
    newer = CommitProperties(app_transactions=[Transaction(TABLE_FORMAT, FORMAT + 1)])
    write_deltalake(lake.folder(ROAD), rows, mode="append", commit_properties=newer)
    before = DeltaTable(lake.folder(ROAD)).version()
    with pytest.raises(WrongInput) as told:
        Lake(lake.root, specs).table(ROAD)
    assert str(told.value) == (
        "table silver.road_segment is of format 2, which a newer release wrote; this one knows"
        " formats up to 1 and leaves it as it is: run the newer release, or restore a backup"
    )
    assert DeltaTable(lake.folder(ROAD)).version() == before


def test_a_checkpoint_of_a_newer_release_is_refused_and_an_older_is_left_aside(
    tmp_path: Path,
) -> None:
    ours = Settings(home=tmp_path).stream_checkpoint
    folder = tmp_path / "checkpoints"
    refuse_newer_checkpoint(ours, folder)
    name, _, known = ours.name.rpartition("-")
    for older in (name, f"{name}-{int(known) - 1}", ours.name, f"{name}-99.draft", "other-99"):
        (folder / older).mkdir(parents=True)
    refuse_newer_checkpoint(ours, folder)
    newer = folder / f"{name}-{int(known) + 1}"
    newer.mkdir()
    with pytest.raises(WrongInput, match=f"the checkpoint in {newer} is of format") as told:
        refuse_newer_checkpoint(ours, folder)
    assert len(str(told.value).splitlines()) == 1


def test_specs_of_a_newer_form_are_refused(tmp_path: Path) -> None:
    edit = (
        "system.yaml", f"spec_version: {SPEC_VERSION}\n", f"spec_version: {SPEC_VERSION + 1}\n",
    )  # fmt: skip
    with pytest.raises(SpecError, match=r"system\.yaml: spec_version: .*2 is newer than 1") as told:
        edited_specs(tmp_path, edit)
    assert len(str(told.value).splitlines()) == 1

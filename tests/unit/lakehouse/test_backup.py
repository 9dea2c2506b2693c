"""A backup holds one moment of the lakehouse, whole; a restore takes it as it was or not at all."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.backup.archive import MANIFEST, back_up, restore
from lakehouse.backup.copies import checkpoint_files
from lakehouse.backup.moment import moment
from lakehouse.commit import Note, Step
from lakehouse.jobs.batch_note import BatchNote, keep
from lakehouse.settings import Settings
from lakehouse.tables import Lake, LakeTable
from specs.errors import Unavailable, WrongInput
from specs.loader import Specs
from tests.rows import segment, table
from tests.unit.lakehouse.test_checkpoint import finish, plan

AT = datetime(2024, 5, 6, tzinfo=UTC)
ROAD, SILVER, KPI = "silver.road_segment", "silver.segment_metric", "gold.network_kpi"
STREAM = "stream/q"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def home(settings: Settings, specs: Specs) -> Lake:
    """Some roads, a registry and a key."""
    lake = Lake(settings.lake, specs)
    for name in "ab":
        roads(lake, name)
    (settings.home / "mlflow" / "artifacts" / "1").mkdir(parents=True)
    (settings.home / "mlflow" / "artifacts" / "1" / "model.skops").write_bytes(b"model")
    with sqlite3.connect(settings.home / "mlflow" / "mlflow.db") as database:
        database.execute("CREATE TABLE runs (id)")
        database.execute("INSERT INTO runs VALUES (417)")
    database.close()
    settings.api_keys.write_text("{}")
    settings.api_keys.chmod(0o600)
    return lake


def roads(lake: Lake, *names: str) -> None:
    rows = table(lake, ROAD, [segment(f"simulator:{name}", source="simulator") for name in names])
    lake.table(ROAD).merge(rows, Note("register", "v"))


def advance(one: LakeTable, batch: int) -> None:
    """A commit of the stream without a row."""
    step = Step(STREAM, one.progress(STREAM), batch)
    one.append(one.schema.empty_table(), Note("stream", "v", batch), [step])


def checkpoint(settings: Settings, batches: int) -> Path:
    folder = Path(str(settings.stream_checkpoint))
    folder.mkdir(parents=True)
    (folder / "metadata").write_text('{"id":"q"}')
    for batch in range(batches):
        plan(folder, batch, batch + 1)
        finish(folder, batch)
    return folder


def held(lake: Lake) -> set[str]:
    lake.table(ROAD).refresh()
    return set(lake.table(ROAD).read()["segment_id"].to_pylist())


def test_what_was_backed_up_is_there_again_and_what_came_later_is_not(
    home: Lake, settings: Settings, specs: Specs, tmp_path: Path
) -> None:
    made = back_up(home, settings, tmp_path / "copy", AT)
    roads(home, "c")
    assert held(home) == {"simulator:a", "simulator:b", "simulator:c"}
    elsewhere = Settings(home=tmp_path / "elsewhere" / "home")
    assert restore(tmp_path / "copy", elsewhere.home) == made
    lake = Lake(elsewhere.lake, specs)
    assert held(lake) == {"simulator:a", "simulator:b"}
    assert lake.table(ROAD).version == made.tables[ROAD] == home.table(ROAD).version - 1
    assert [commit.note["job"] for commit in lake.table(ROAD).commits(0) if commit.note] == [
        "register", "register",
    ]  # fmt: skip
    roads(lake, "d")
    assert held(lake) == {"simulator:a", "simulator:b", "simulator:d"}
    database = sqlite3.connect(elsewhere.home / "mlflow" / "mlflow.db")
    assert database.execute("SELECT id FROM runs").fetchall() == [(417,)]
    database.close()
    model = elsewhere.home / "mlflow" / "artifacts" / "1" / "model.skops"
    assert model.read_bytes() == b"model"
    assert elsewhere.api_keys.stat().st_mode & 0o777 == 0o600


def test_earlier_versions_can_be_read_in_the_copy_too(
    home: Lake, settings: Settings, specs: Specs, tmp_path: Path
) -> None:
    version = home.table(ROAD).version
    for number in range(120):  # past a checkpoint of the log
        roads(home, str(number))
    back_up(home, settings, tmp_path / "copy", AT)
    roads(home, "c")
    restore(tmp_path / "copy", tmp_path / "elsewhere")
    again = Lake(Settings(home=tmp_path / "elsewhere").lake, specs).table(ROAD)
    assert again.at(version).count_rows() == 2
    assert again.read().num_rows == 122
    assert (again.folder / "_delta_log" / "_last_checkpoint").exists()


def test_the_moment_is_between_two_batches(home: Lake, settings: Settings) -> None:
    folder = checkpoint(settings, batches=3)
    for name in (SILVER, "gold.congestion_scores", KPI):
        advance(home.table(name), 1)
    assert moment(home, folder, 0).batch_id == 1
    advance(home.table(SILVER), 2)
    with pytest.raises(Unavailable, match="ended in the middle of one"):
        moment(home, folder, 0.1)
    advance(home.table(KPI), 2)  # a batch without a score
    assert moment(home, folder, 0).batch_id == 2
    (folder / "commits" / "2").unlink()  # Spark has not noted it yet
    with pytest.raises(Unavailable):
        moment(home, folder, 0.1)


def test_of_a_checkpoint_what_later_batches_left_stays_behind(settings: Settings) -> None:
    folder = checkpoint(settings, batches=5)
    for batch in range(5):
        keep(folder, batch, BatchNote())
    kept = {path.relative_to(folder).as_posix() for path in checkpoint_files(folder, 3)}
    assert kept == {
        "metadata", *(f"{part}/{batch}" for part in ("offsets", "notes", "commits")
                      for batch in range(4)),
        *(f"commits/.{batch}.crc" for batch in range(4)),
    }  # fmt: skip


def test_a_file_that_was_changed_is_found_and_nothing_is_restored(
    home: Lake, settings: Settings, tmp_path: Path
) -> None:
    made = back_up(home, settings, tmp_path / "copy", AT)
    name = next(name for name in made.files if name.endswith(".skops"))
    (tmp_path / "copy" / name).write_bytes(b"MODEL")
    with pytest.raises(Unavailable, match=r"model\.skops is not what was backed up"):
        restore(tmp_path / "copy", tmp_path / "elsewhere")
    (tmp_path / "copy" / name).unlink()
    with pytest.raises(Unavailable, match=r"cannot copy .*model\.skops: No such file"):
        restore(tmp_path / "copy", tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    assert not list(tmp_path.glob(".*"))


def test_what_is_there_is_never_overwritten(home: Lake, settings: Settings, tmp_path: Path) -> None:
    back_up(home, settings, tmp_path / "copy", AT)
    with pytest.raises(WrongInput, match="exists; a backup is a folder of its own"):
        back_up(home, settings, tmp_path / "copy", AT)
    with pytest.raises(WrongInput, match="is not empty"):
        restore(tmp_path / "copy", settings.home)


def test_a_backup_that_was_broken_off_or_is_of_a_newer_release_is_refused(
    home: Lake, settings: Settings, tmp_path: Path
) -> None:
    back_up(home, settings, tmp_path / "copy", AT)
    manifest = tmp_path / "copy" / MANIFEST
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "format": 2, "program": "9.1.0", "more": []}))
    with pytest.raises(WrongInput, match=r"format 2, made by release 9\.1\.0; this one knows"):
        restore(tmp_path / "copy", tmp_path / "elsewhere")
    manifest.write_text(manifest.read_text()[:100])
    with pytest.raises(WrongInput, match="is no whole backup"):
        restore(tmp_path / "copy", tmp_path / "elsewhere")
    manifest.unlink()
    with pytest.raises(WrongInput, match="is no whole backup"):
        restore(tmp_path / "copy", tmp_path / "elsewhere")


def test_a_place_that_cannot_be_written_is_named_and_the_lake_stays_as_it_is(
    home: Lake, settings: Settings, tmp_path: Path
) -> None:
    target = Path("/dev/null") / "copy"
    with pytest.raises(Unavailable, match="cannot copy"):
        back_up(home, settings, target, AT)
    assert isinstance(home.table(ROAD).read(), pa.Table)

"""The checksum beside a commit says what the table holds, whoever else has written."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from lakehouse.commit import Note
from lakehouse.delta_checksum import KEPT_VERSIONS, Held, write_checksum
from lakehouse.tables import Lake, LakeTable
from specs.loader import Specs
from tests.rows import reading, table

BRONZE = "bronze.traffic_event"
NOTE = Note(job="test", spec_version="v")


@pytest.fixture
def lakes(tmp_path: Path, specs: Specs) -> tuple[Lake, Lake]:
    return Lake(tmp_path, specs), Lake(tmp_path, specs)


def append(lake: Lake, number: int) -> LakeTable:
    rows = table(lake, BRONZE, [reading(number, number)])
    lake.table(BRONZE).append(rows, NOTE)
    return lake.table(BRONZE)


def checksum(bronze: LakeTable) -> dict[str, Any]:
    path = bronze.folder / "_delta_log" / f"{bronze.version:020d}.crc"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def held(bronze: LakeTable) -> tuple[int, int]:
    files = pa.table(DeltaTable(bronze.folder).get_add_actions(flatten=True))
    return files.num_rows, pc.sum(files["size_bytes"]).as_py()


def test_it_counts_what_two_writers_in_turn_have_added(lakes: tuple[Lake, Lake]) -> None:
    for number in range(6):
        bronze = append(lakes[number % 2], number)
        said = checksum(bronze)
        assert (said["numFiles"], said["tableSizeBytes"]) == held(bronze)


def test_it_counts_what_a_compaction_has_removed(lakes: tuple[Lake, Lake]) -> None:
    for number in range(3):
        bronze = append(lakes[0], number)
    DeltaTable(bronze.folder).optimize.compact()
    said = checksum(append(lakes[0], 3))
    assert said["numFiles"] == held(bronze)[0] == 2


def test_it_counts_anew_where_the_commits_between_are_gone(lakes: tuple[Lake, Lake]) -> None:
    for number in range(3):
        bronze = append(lakes[0], number)
    snapshot, log = DeltaTable(bronze.folder), bronze.folder / "_delta_log"
    (log / f"{2:020d}.json").unlink()
    assert write_checksum(snapshot, log, Held(version=1, files=1, bytes=1)).files == 3


def test_old_ones_go_so_that_the_log_is_soon_listed(lakes: tuple[Lake, Lake]) -> None:
    for number in range(KEPT_VERSIONS + 3):
        bronze = append(lakes[0], number)
    names = sorted(path.name for path in (bronze.folder / "_delta_log").glob("*.crc"))
    newest = range(bronze.version - KEPT_VERSIONS + 1, bronze.version + 1)
    assert names == [f"{version:020d}.crc" for version in newest]


def test_it_repeats_protocol_and_metadata_of_the_log(lakes: tuple[Lake, Lake]) -> None:
    bronze = append(lakes[0], 0)
    first = (bronze.folder / "_delta_log" / f"{0:020d}.json").read_text()
    actions = {name: body for line in first.splitlines() for name, body in json.loads(line).items()}
    said = checksum(bronze)
    assert said["protocol"] == actions["protocol"]
    assert json.loads(said["metadata"]["schemaString"]) == json.loads(
        actions["metaData"]["schemaString"]
    )
    for name in ("id", "partitionColumns", "configuration", "createdTime"):
        assert said["metadata"][name] == actions["metaData"][name]

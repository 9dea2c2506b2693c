"""Version checksums: a small file beside a Delta commit that says what the table holds by then.

Delta's protocol lets a reader take protocol and metadata from it. Without one, Spark runs a job
over the log at every new version, a third of what a micro-batch cost its driver.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from lakehouse.location import Place, write_whole

MAX_COMMITS_FOLDED = 20

KEPT_VERSIONS = 20
"""A reader that is further behind does without. Every file of a log is looked at in every
micro-batch, and half of them would be checksums."""


@dataclass(frozen=True)
class Held:
    """What a table holds at a version: number of data files and their bytes."""

    version: int
    files: int
    bytes: int


def write_checksum(table: DeltaTable, log: Place, before: Held | None) -> Held:
    """Write the checksum of the version that ``table`` stands at; on a disk, remove an old one.

    Args:
        table: the snapshot.
        log: its folder ``_delta_log``.
        before: what an earlier call returned; only the commits since are read.

    Returns:
        What the table holds.
    """
    held = _folded(log, before, table.version()) or _counted(table)
    text = json.dumps({
        "tableSizeBytes": held.bytes, "numFiles": held.files, "numMetadata": 1, "numProtocol": 1,
        "metadata": _metadata(table), "protocol": _protocol(table),
    })  # fmt: skip
    write_whole(_checksum(log, held.version), text)
    outlived = _checksum(log, held.version - KEPT_VERSIONS)
    if isinstance(outlived, Path) and held.version >= KEPT_VERSIONS:
        outlived.unlink(missing_ok=True)
    return held


def _checksum(log: Place, version: int) -> Place:
    return log / f"{version:020d}.crc"


def _counted(table: DeltaTable) -> Held:
    files = pa.table(table.get_add_actions(flatten=True))
    return Held(table.version(), files.num_rows, pc.sum(files["size_bytes"]).as_py() or 0)


def _folded(log: Place, before: Held | None, version: int) -> Held | None:
    """``before`` and the commits up to ``version``; None where they do not tell."""
    if before is None or not 0 <= version - before.version <= MAX_COMMITS_FOLDED:
        return None
    files, size = before.files, before.bytes
    for number in range(before.version + 1, version + 1):
        try:
            for sign, action in _file_actions(log / f"{number:020d}.json"):
                files += sign
                size += sign * action["size"]
        except (FileNotFoundError, KeyError):
            return None  # cleaned up, or a removal without its size
    return Held(version, files, size)


def _file_actions(commit: Place) -> Iterable[tuple[int, dict[str, Any]]]:
    for line in filter(None, commit.read_text().split("\n")):
        action = json.loads(line)
        if "add" in action:
            yield 1, action["add"]
        elif "remove" in action:
            yield -1, action["remove"]


def _metadata(table: DeltaTable) -> dict[str, Any]:
    said = table.metadata()
    told = {
        "id": str(said.id), "name": said.name, "description": said.description,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": table.schema().to_json(), "partitionColumns": said.partition_columns,
        "configuration": said.configuration, "createdTime": said.created_time,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def _protocol(table: DeltaTable) -> dict[str, Any]:
    said = table.protocol()
    told = {
        "minReaderVersion": said.min_reader_version, "minWriterVersion": said.min_writer_version,
        "readerFeatures": said.reader_features, "writerFeatures": said.writer_features,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}

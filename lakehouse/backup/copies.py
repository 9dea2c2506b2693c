"""Which files make up tables at their versions, a checkpoint at a batch, and the registry."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

import pyarrow.parquet as pq
from deltalake import DeltaTable

from lakehouse.delta_log import LOG, LogFile, actions, log_files

POINTER = "_last_checkpoint"
NUMBERED = re.compile(r"^\.?(\d+)(?:[._]|$)")
DATABASE, ARTIFACTS = "mlflow.db", "artifacts"


def table_files(folder: Path, version: int) -> Iterator[Path]:
    """Files of the Delta table in ``folder`` that versions up to ``version`` are made of.

    Its log is among them as far as it is kept, so that books and audit find every commit, and so
    are files that a later version does without, as far as they are there: earlier versions can
    still be read. `log_pointer` stands for the log's own.
    """
    logged = [file for file in log_files(folder) if file.version <= version]
    yield from (folder / LOG / file.name for file in logged)
    needed = {unquote(uri) for uri in _active(folder, version)}
    kept = needed | {
        unquote(added["path"])
        for file in logged if file.is_commit for added in actions(folder, file.version, "add")
    }  # fmt: skip
    for name in sorted(kept):
        if name in needed or (folder / name).exists():
            yield folder / name


def _active(folder: Path, version: int) -> Iterator[str]:
    table = DeltaTable(folder, version=version)
    yield from table.get_add_actions(flatten=True)["path"].to_pylist()


def log_pointer(folder: Path, version: int) -> str | None:
    """Text of the log's pointer to its newest checkpoint up to ``version``; None without one."""
    found: list[LogFile] = [
        file for file in log_files(folder) if file.is_checkpoint and file.version <= version
    ]
    if not found:
        return None
    newest = found[-1]
    rows = pq.read_metadata(folder / LOG / newest.name).num_rows
    return json.dumps({"version": newest.version, "size": rows})


def checkpoint_files(folder: Path, batch_id: int) -> Iterator[Path]:
    """Files of the stream's checkpoint in ``folder`` up to a finished batch.

    Its plan, its note and its end are files of its number.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _number(path) <= batch_id:
            yield path


def _number(path: Path) -> int:
    """Batch or version of a file; -1 where its name is none."""
    found = NUMBERED.match(path.name)
    return -1 if found is None else int(found[1])


def copy_database(database: Path, to: Path) -> None:
    """Copy an SQLite database as it is at one moment, whoever writes it meanwhile."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below ``folder``, which may be absent."""
    with suppress(FileNotFoundError):
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())

"""Ways to spoil a lake behind its back: no commit, so that only the rows can give a fault away."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.tables import Lake

Action = dict[str, Any]


def _select(rows: pa.Table, query: str) -> pa.Table:
    """``query`` over the table ``t``."""
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.register("t", rows)
        return engine.sql(query).to_arrow_table()


def _rewrite(lake: Lake, name: str, query: str, where: str) -> None:
    """Put the rows of ``query`` over ``@t`` in the place of the first file with a row ``where``.

    ``@t`` is the file's rows with ``n``, the number of each among those ``where``.
    """
    for path in sorted(lake.table(name).files()):
        rows = pq.ParquetFile(path).read()
        if _select(rows, f"SELECT 1 FROM t WHERE {where}").num_rows:
            numbered = f"""(SELECT *, CASE WHEN {where} THEN row_number() OVER (
                PARTITION BY {where}) END AS n FROM t)"""
            changed = _select(rows, query.replace("@t", numbered))
            pq.write_table(changed.select(rows.schema.names).cast(rows.schema), path)
            return
    raise AssertionError(f"{name} has no row where {where}")


def spoil(lake: Lake, name: str, column: str, value: str, where: str = "true") -> None:
    """Write ``value`` into ``column`` of the first row ``where``."""
    changed = f'CASE WHEN n = 1 THEN {value} ELSE "{column}" END AS "{column}"'
    _rewrite(lake, name, f"SELECT * REPLACE ({changed}) FROM @t", where)


def drop(lake: Lake, name: str, where: str = "true") -> None:
    """Take the first row ``where`` away."""
    _rewrite(lake, name, "SELECT * FROM @t WHERE n IS DISTINCT FROM 1", where)


def double(lake: Lake, name: str, where: str = "true") -> None:
    """Write the first row ``where`` twice."""
    _rewrite(lake, name, "SELECT * FROM @t UNION ALL SELECT * FROM @t WHERE n = 1", where)


def settle(lake: Lake, name: str, column: str, was: bool, now: bool) -> None:
    """Move a data file to the folder of the rows whose ``column`` is ``now``."""
    old, new = (f"{column}={str(value).lower()}" for value in (was, now))
    folder = lake.folder(name)
    path = next(Path(one) for one in sorted(lake.table(name).files()) if old in one)
    moved = Path(str(path).replace(old, new))
    moved.parent.mkdir(parents=True, exist_ok=True)
    path.rename(moved)

    def changed(action: Action) -> Action:
        add = action.get("add", {})
        if add.get("path") == str(path.relative_to(folder)):
            add["path"] = str(moved.relative_to(folder))
            add["partitionValues"][column] = str(now).lower()
        return action

    edit_log(lake, name, changed)


def lose_file(lake: Lake, name: str) -> None:
    """Delete a data file that the log names."""
    Path(sorted(lake.table(name).files())[0]).unlink()


def _log(lake: Lake, name: str) -> list[Path]:
    return sorted((lake.folder(name) / "_delta_log").glob("*.json"))


def edit_log(lake: Lake, name: str, change: Callable[[Action], Action | None]) -> None:
    """Give every action of the table's log to ``change``; None takes it out."""
    edits = 0
    for path in _log(lake, name):
        actions = [json.loads(line) for line in path.read_text().splitlines()]
        changed = [change(json.loads(json.dumps(action))) for action in actions]
        edits += changed != actions
        path.write_text("".join(json.dumps(one) + "\n" for one in changed if one is not None))
    assert edits, "nothing was changed"


def edit_notes(
    lake: Lake, name: str, change: Callable[[dict[str, Any]], None], only: str | None = None
) -> None:
    """Change what commits say of themselves: all of them, or those of job ``only``."""

    def changed(action: Action) -> Action:
        info = action.get("commitInfo", {})
        if "traffic" in info:
            note = json.loads(info["traffic"])
            if only is None or note["job"] == only:
                change(note)
                info["traffic"] = json.dumps(note)
        return action

    edit_log(lake, name, changed)


def forget_note(lake: Lake, name: str) -> None:
    """A commit that says nothing of itself."""

    def changed(action: Action) -> Action:
        action.get("commitInfo", {}).pop("traffic", None)
        return action

    edit_log(lake, name, changed)


def double_file(lake: Lake, name: str) -> None:
    """Add a copy of a data file, in the commit that added the file itself."""
    for path in _log(lake, name):
        lines = path.read_text().splitlines()
        adds = [json.loads(line) for line in lines if '"add"' in line]
        if adds:
            original = lake.folder(name) / adds[0]["add"]["path"]
            copy = original.with_name(f"copy-{original.name}")
            shutil.copy(original, copy)
            adds[0]["add"]["path"] = str(copy.relative_to(lake.folder(name)))
            path.write_text("\n".join([*lines, json.dumps(adds[0])]) + "\n")
            return
    raise AssertionError(f"{name} has no file")

"""Which rows and files of a Delta table are meant: filters made of specs, rows and statistics."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.sql_text import quoted
from specs.tables import TableSpec, arrival

Partition = list[tuple[str, str, str]]
"""Filter for one partition."""


def match(spec: TableSpec, rows: pa.Table) -> str:
    """Join on the key; the partitions and times at hand keep other files from being read."""
    keys = [f"target.{name} = source.{name}" for name in spec.key]
    if not rows.num_rows:
        return " AND ".join(keys)
    for name in spec.partition_by:
        values = ", ".join(_literal(value) for value in pc.unique(rows[name]).to_pylist())
        keys.append(f"target.{name} IN ({values})")
    for name in spec.key:
        if pa.types.is_timestamp(rows.schema.field(name).type):
            first, last = (_literal(one.as_py()) for one in pc.min_max(rows[name]).values())
            keys.append(f"target.{name} >= {first} AND target.{name} <= {last}")
    return " AND ".join(keys)


def crowded(files: pa.Table, spec: TableSpec, min_files: int, target_bytes: int) -> list[Partition]:
    """Partitions with at least ``min_files`` files below half of ``target_bytes``.

    Args:
        files: delta-rs's flat list of a snapshot's files.
        spec: of the table.
        min_files: fewer are left alone.
        target_bytes: size that files are merged towards.
    """
    small = files.filter(pc.less(files["size_bytes"], target_bytes // 2))
    columns = spec.folders
    names = [f"partition.{column}" for column in columns]
    counted = Counter(zip(*(small[name].to_pylist() for name in names), strict=True)
                      if names else [()] * small.num_rows)  # fmt: skip
    return [
        [(name, "=", _partition_value(value)) for name, value in zip(columns, key, strict=True)]
        for key, count in counted.items() if count >= min_files
    ]  # fmt: skip


@dataclass(frozen=True)
class Arrived:
    """Rows that arrived before a moment.

    Attributes:
        predicate: filter for them.
        days: those that they are all of; empty for a table without a folder a day.
    """

    predicate: str
    days: tuple[date, ...] = ()


def arrived_before(files: pa.Table, spec: TableSpec, before: datetime) -> Arrived | None:
    """The rows that arrived before, told by the files' statistics; None for none.

    Args:
        files: delta-rs's flat list of a snapshot's files.
        spec: of the table; with a folder a day, whole days are meant.
        before: UTC.
    """
    stamp = arrival(spec)
    if stamp is None or f"max.{stamp}" not in files.schema.names:
        return None
    if not spec.partition_by:
        oldest = pc.min(files[f"min.{stamp}"]).as_py()
        is_due = oldest is not None and _utc(oldest) < before
        moment = f"arrow_cast('{before.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
        return Arrived(f"{stamp} < {moment}") if is_due else None
    (day,) = spec.partition_by
    newest = files.group_by(f"partition.{day}").aggregate([(f"max.{stamp}", "max")])
    gone = tuple(
        row[f"partition.{day}"] for row in newest.to_pylist()
        if row[f"max.{stamp}_max"] is not None and _utc(row[f"max.{stamp}_max"]) < before
    )  # fmt: skip
    return Arrived(f"{day} IN ({', '.join(map(_literal, gone))})", gone) if gone else None


def _partition_value(value: object) -> str:
    """As Delta writes it in a folder's name."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _utc(moment: datetime) -> datetime:
    """Statistics may come without their zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _literal(value: object) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat()}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return quoted(str(value))

"""Whether two tables say the same, whatever the order of their rows and the layout of files."""

from dataclasses import dataclass
from datetime import datetime

from lakehouse.sql import select
from lakehouse.sql_text import digest, quoted
from lakehouse.tables import Lake

COUNTS_CORRECTIONS = "revision"
BITS = 64


@dataclass(frozen=True)
class Checksum:
    """Rows, and the sum of their hashes in hexadecimal, modulo 2 to the 64th."""

    rows: int
    sum: str


def checksum(
    lake: Lake, name: str, start: datetime | None = None, end: datetime | None = None
) -> Checksum:
    """Checksum of what table ``name`` says: every column but stamps and ``revision``.

    Those tell when and how often a row was written, which a recompute need not repeat.

    Args:
        lake: the tables.
        name: layer.name.
        start: of a table with a ``window_start``: only windows that start there or later (UTC) ...
        end: ... and before this.
    """
    table = lake.table(name)
    table.refresh()
    said = [digest(f'"{column.name}"') if column.type == "string" else f'"{column.name}"'
            for column in table.spec.columns
            if not column.stamp and column.name != COUNTS_CORRECTIONS]  # fmt: skip
    bounds = [
        f"window_start {sign} TIMESTAMPTZ {quoted(moment.isoformat())}"
        for sign, moment in ((">=", start), ("<", end)) if moment is not None
    ]  # fmt: skip
    query = f"""
        SELECT count(*) AS rows,
            coalesce(sum(hash({", ".join(said)})::HUGEINT), 0)::VARCHAR AS total
        FROM said WHERE {" AND ".join(["true", *bounds])}
    """
    (found,) = select(query, said=table.dataset()).to_pylist()
    return Checksum(found["rows"], f"{int(found['total']) % 2**BITS:0{BITS // 4}x}")

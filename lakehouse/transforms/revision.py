"""What a recomputed table changes: rows that are new or differ, with the next revision."""

import pyarrow as pa

from lakehouse.sql import select
from specs.arrow import arrow_schema
from specs.tables import TableSpec

UNCOMPARED = {"revision", "is_final"}


def compared_columns(table: TableSpec) -> list[str]:
    """Columns that say what, not when or how often: those that a recompute must reproduce."""
    return [
        column.name for column in table.columns
        if not column.stamp and column.name not in {*table.key, *UNCOMPARED}
    ]  # fmt: skip


def changed_rows(
    recomputed: pa.Table, existing: pa.Table, table: TableSpec, *, of_silver: bool = False
) -> pa.Table:
    """Rows of ``recomputed`` that ``existing`` lacks or has otherwise.

    Args:
        recomputed: rows of ``table``, no key twice.
        existing: rows of ``table`` as committed.
        table: names the key and the columns that count.
        of_silver: each row stands on one of silver and has its finality and revision; one that
            is final now and was not, or stands on another revision, counts too.

    Returns:
        Rows in the schema of ``table``. A ``revision`` of its own is one more than the committed
        row's, and as recomputed for a new row.
    """
    schema = arrow_schema(table)
    differs = " OR ".join(f"new.{c} IS DISTINCT FROM old.{c}" for c in compared_columns(table))
    if of_silver:
        differs += " OR new.is_final AND NOT old.is_final OR new.revision != old.revision"
    columns = ", ".join(
        "CAST(coalesce(old.revision + 1, new.revision) AS INTEGER) AS revision"
        if name == "revision" and not of_silver else f"new.{name}"
        for name in schema.names
    )  # fmt: skip
    match = " AND ".join(f"new.{name} = old.{name}" for name in table.key)
    query = f"""
        SELECT {columns} FROM recomputed AS new LEFT JOIN existing AS old ON {match}
        WHERE old.{table.key[0]} IS NULL OR {differs}
        ORDER BY {", ".join(f"new.{name}" for name in table.key)}
    """
    return select(query, recomputed=recomputed, existing=existing).cast(schema)

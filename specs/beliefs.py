"""Views of corrected tables that keep what was believed earlier, for any client that speaks SQL."""

from textwrap import fill

from specs.tables import Column, TableSpec, arrival, history_of
from specs.views import TRINO_TYPES, ViewSpec

FROM, UNTIL = "believed_from", "believed_until"


def beliefs_of(table: TableSpec) -> ViewSpec | None:
    """The view of every row of ``table`` that ever stood, and when; None where none is corrected.

    The window function parts rows by the folders' columns too, which the key decides: so a
    filter on a day reads that day alone.
    """
    stamp, kept = arrival(table), history_of(table)
    if stamp is None or kept is None:
        return None
    names = fill(", ".join(table.column_names), 92, subsequent_indent="  ")
    parts = ", ".join(dict.fromkeys((*table.key, *table.partition_by)))
    kind = TRINO_TYPES["timestamp"]
    return ViewSpec(
        view=f"{table.table}_believed",
        description=f"Rows of {table.table} with those that a correction replaced, and when each"
        " was believed. What the stream said of a window that was open is there in its last form.",
        columns=(
            *(column.model_copy(update={"type": TRINO_TYPES.get(column.type, column.type)})
              for column in table.columns),
            Column(name=FROM, type=kind, description="When the row was committed (UTC)."),
            Column(name=UNTIL, type=kind,
                   description="When another took its place (UTC); null while it stands."),
        ),
        query=f"""\
SELECT
  {names},
  {stamp} AS {FROM},
  lead({stamp}) OVER (
    PARTITION BY {parts} ORDER BY {stamp}, revision
  ) AS {UNTIL}
FROM (
  SELECT {names}
  FROM {table.table}
  UNION ALL
  SELECT {names}
  FROM {kept.table}
)
""",
    )  # fmt: skip

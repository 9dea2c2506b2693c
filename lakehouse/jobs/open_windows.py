"""The windows of silver.segment_metric that are not final yet, kept by the stream's driver."""

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.sql import select
from specs.tables import TableSpec


class OpenWindows:
    """Newest row of each open window, so that it can be marked final when the watermark passes.

    Spark emits a window when it changes and forgets it silently; the last word, ``is_final``, is
    said here.
    """

    def __init__(self, table: TableSpec, rows: pa.Table) -> None:
        """Start from the ``rows`` of silver.segment_metric that are not final."""
        self._key = ", ".join(table.key)
        self._rows = rows

    @property
    def rows(self) -> pa.Table:
        """The open windows, in the schema of silver.segment_metric."""
        return self._rows

    def upserts(self, changed: pa.Table, watermark: pa.Scalar, at: pa.Scalar) -> pa.Table:
        """Rows to commit: ``changed``, and the open windows that the watermark has passed.

        A window that was corrected while it was open keeps its revision.

        Args:
            changed: new rows of silver.segment_metric, with ``is_final`` set by ``watermark``.
            watermark: timestamp; a window that ends at or before it is final.
            at: stamp for the rows that become final.
        """
        changed = select(
            f"""SELECT changed.* REPLACE (coalesce(opened.revision, 0) AS revision)
            FROM changed LEFT JOIN opened USING ({self._key})""",
            opened=self._rows, changed=changed,
        ).cast(changed.schema)  # fmt: skip
        untouched = select(
            f"SELECT * FROM opened ANTI JOIN changed USING ({self._key})",
            opened=self._rows, changed=changed,
        ).cast(changed.schema)  # fmt: skip
        passed = pc.less_equal(untouched["window_end"], watermark)
        closing = _with_column(untouched.filter(passed), "is_final", pa.scalar(True))
        closing = _with_column(closing, "committed_at", at)
        still_open = untouched.filter(pc.invert(passed))
        new_open = changed.filter(pc.invert(changed["is_final"]))
        self._rows = pa.concat_tables([still_open, new_open]).combine_chunks()
        return pa.concat_tables([changed, closing])


def _with_column(rows: pa.Table, name: str, value: pa.Scalar) -> pa.Table:
    index = rows.schema.get_field_index(name)
    field = rows.schema.field(index)
    return rows.set_column(index, field, pa.repeat(value.cast(field.type), rows.num_rows))

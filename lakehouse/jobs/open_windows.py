"""The windows of silver.segment_metric that are not final yet, kept by the stream's driver."""

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.jobs.parts import SEGMENT, joined, of_kind, of_others, parts
from lakehouse.sql import select

WINDOW = ("window_seconds", "window_end")


class OpenWindows:
    """Newest row of each open window, so that it can be marked final when the watermark passes.

    Spark emits a window when it changes and forgets it silently; the last word, ``is_final``, is
    said here.
    """

    def __init__(self, rows: pa.Table) -> None:
        """Start from the ``rows`` of silver.segment_metric that are not final."""
        self._none = rows.schema.empty_table()
        self._parts = parts(rows, WINDOW)

    @property
    def rows(self) -> pa.Table:
        """The open windows, in the schema of silver.segment_metric."""
        return pa.concat_tables([self._none, *self._parts.values()])

    def upserts(self, changed: pa.Table, watermark: pa.Scalar, at: pa.Scalar) -> pa.Table:
        """Rows to commit: ``changed``, and the open windows that the watermark has passed.

        A window that was corrected while it was open keeps its revision.

        Args:
            changed: new rows of silver.segment_metric, with ``is_final`` set by ``watermark``.
            watermark: timestamp; a window that ends at or before it is final.
            at: stamp for the rows that become final.
        """
        changed = self._with_revisions(changed)
        passed, opened, closing = watermark.as_py(), {}, self._none
        for window, held in self._parts.items():
            now = of_kind(changed, WINDOW, window)
            rest = of_others(held, now[SEGMENT].combine_chunks()) if now.num_rows else held
            if window[1] <= passed:
                closing = pa.concat_tables([closing, rest])
            elif rest.num_rows:
                opened[window] = rest
        for window, now in parts(changed.filter(pc.invert(changed["is_final"])), WINDOW).items():
            opened[window] = joined(opened[window], now) if window in opened else now
        self._parts = opened
        closing = _with_column(closing, "is_final", pa.scalar(True))
        closing = _with_column(closing, "committed_at", at)
        return pa.concat_tables([changed, closing])

    def _with_revisions(self, changed: pa.Table) -> pa.Table:
        opened = self.rows
        corrected = opened.filter(pc.greater(opened["revision"], 0))
        if not corrected.num_rows:
            return changed
        key = ", ".join((SEGMENT, *WINDOW))
        return select(
            f"""SELECT changed.* REPLACE (coalesce(corrected.revision, 0) AS revision)
            FROM changed LEFT JOIN corrected USING ({key})""",
            corrected=corrected, changed=changed,
        ).cast(changed.schema)  # fmt: skip


def _with_column(rows: pa.Table, name: str, value: pa.Scalar) -> pa.Table:
    index = rows.schema.get_field_index(name)
    field = rows.schema.field(index)
    return rows.set_column(index, field, pa.repeat(value.cast(field.type), rows.num_rows))

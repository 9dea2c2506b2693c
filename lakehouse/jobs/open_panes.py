"""The panes that open windows are made of, kept by the stream's driver."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.sql import select
from lakehouse.transforms.window_aggregate import window_aggregate
from specs.transforms import TransformSpec


class OpenPanes:
    """Newest sums of each pane that a window still open may hold.

    Spark emits a pane when it changes; a sliding window also needs those that did not.
    """

    def __init__(self, spec: TransformSpec, rows: pa.Table) -> None:
        """Start from ``rows`` of `pane_aggregate`."""
        self._spec, self._rows = spec, rows

    def update(self, changed: pa.Table) -> pa.Table:
        """Take in ``changed`` panes and return all windows that hold one of them."""
        kept = select(
            "SELECT * FROM kept ANTI JOIN changed USING (segment_id, pane_end)",
            kept=self._rows, changed=changed,
        ).cast(changed.schema)  # fmt: skip
        self._rows = pa.concat_tables([kept, changed])
        return window_aggregate(self._rows, self._spec, changed)

    def windows(self, watermark: datetime) -> pa.Table:
        """All windows that end past ``watermark``."""
        made = window_aggregate(self._rows, self._spec)
        return made.filter(pc.greater(made["window_end"], _like(watermark, made["window_end"])))

    def forget(self, watermark: datetime) -> None:
        """Let go of panes that no window holds which ends past ``watermark``."""
        oldest = first_pane_end(watermark, self._spec)
        ends = self._rows["pane_end"]
        self._rows = self._rows.filter(pc.greater(ends, _like(oldest, ends))).combine_chunks()


def first_pane_end(watermark: datetime, spec: TransformSpec) -> datetime:
    """Panes that end past this may belong to a window that ends past ``watermark``."""
    return watermark - timedelta(seconds=spec.longest_seconds)


def _like(moment: datetime, column: pa.ChunkedArray) -> pa.Scalar:
    return pa.scalar(moment, column.type)

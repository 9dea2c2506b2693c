"""Windows whose readings retention has removed: what silver says of them is all there is."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.tables import LakeTable

MICROSECOND = pa.scalar(timedelta(microseconds=1), pa.duration("us"))


def without_expired(rows: pa.Table, bronze: LakeTable) -> pa.Table:
    """``rows`` without the windows of which bronze has lost readings, even in part.

    A reading that arrives for such a window after all, or a stream that begins anew, would put the
    little that bronze still holds in the place of the whole.

    Args:
        rows: of silver.segment_metric, made of bronze; no window is longer than a day.
        bronze: bronze.traffic_event.
    """
    starts, ends = rows["window_date"], pc.subtract(rows["window_end"], MICROSECOND).cast("date32")
    days = {*pc.unique(starts).to_pylist(), *pc.unique(ends).to_pylist()}
    gone = pa.array([day for day in days if bronze.expired(day) is not None], pa.date32())
    if not len(gone):
        return rows
    return rows.filter(pc.invert(pc.or_(pc.is_in(starts, gone), pc.is_in(ends, gone))))

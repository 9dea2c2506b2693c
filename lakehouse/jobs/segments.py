"""silver.road_segment as the driver sees it: read again when the table has a new version."""

import pyarrow as pa

from lakehouse.tables import Lake

COLUMNS = ["segment_id", "source", "length_m", "free_flow_speed_kmh", "interval_seconds",
           "time_zone", "upstream_segment_ids", "downstream_segment_ids"]  # fmt: skip


class Segments:
    """All road segments, without their shapes."""

    def __init__(self, lake: Lake) -> None:
        """Read the table as it is now."""
        self._table = lake.table("silver.road_segment")
        self._table.refresh()
        self._read()

    def _read(self) -> None:
        self.rows: pa.Table = self._table.read(columns=COLUMNS).combine_chunks()
        self._version = self._table.version

    def refresh(self) -> bool:
        """Read the table again if it has changed; says whether it has."""
        if self._table.refresh() == self._version:
            return False
        self._read()
        return True

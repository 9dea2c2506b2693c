"""One state of the lake as the API serves it: built whole, then shown at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from lakehouse.location import Place
from lakehouse.serving.answers import Kept
from lakehouse.serving.current import EPOCH, Lookback, Standing, standing
from lakehouse.serving.rows import AsOf, SourceTime
from lakehouse.serving.versions import Files, Mark, TableAt, TableReader, settled_version
from specs.errors import Unavailable
from specs.loader import Specs

ROAD, SILVER = "silver.road_segment", "silver.segment_metric"
SCORES, KPI = "gold.congestion_scores", "gold.network_kpi"
SERVED = (ROAD, SILVER, SCORES, KPI)
Box = tuple[float, float, float, float]
"""West, south, east, north, in degrees."""


@dataclass(frozen=True)
class Road:
    """One road segment: its row, and the box around its polyline."""

    row: Mapping[str, Any]
    box: Box | None


@dataclass(frozen=True)
class Snapshot:
    """Tables at versions that belong together, and what is asked of them most.

    Attributes:
        versions: Delta version of each table that exists.
        as_of: the same for people.
        pickup_seconds: from the newest commit until it was served; None for the first one, whose
            commits are from before the API was there.
        tables: the tables at those versions.
        roads: by ``segment_id``, in its order.
        newest: by source, its newest window.
        current: how every segment stands now.
        kept: answers that were given from it.
    """

    versions: Mapping[str, int]
    as_of: AsOf
    pickup_seconds: float | None
    tables: Mapping[str, TableAt]
    roads: Mapping[str, Road]
    newest: Mapping[str, datetime]
    current: Standing
    kept: Kept

    def standing_at(self, moment: datetime, lookback: Lookback) -> Standing:
        """How every segment stood at ``moment``, in this state; reads tables."""
        moments = {source: min(moment, newest) for source, newest in self.newest.items()}
        scores = self.tables.get(SCORES)
        return standing(
            self.tables[SILVER].dataset, scores.dataset if scores else None, moments, lookback
        )


def _box(polyline: list[dict[str, float]] | None) -> Box | None:
    if not polyline:
        return None
    lons, lats = [point["lon"] for point in polyline], [point["lat"] for point in polyline]
    return min(lons), min(lats), max(lons), max(lats)


def _roads(rows: pa.Table) -> dict[str, Road]:
    return {
        row["segment_id"]: Road(row, _box(row["polyline"]))
        for row in rows.sort_by("segment_id").to_pylist()
    }


class Reader:
    """Follows the tables and builds a new snapshot whenever a batch is complete."""

    def __init__(self, lake: Place, specs: Specs) -> None:
        """Read below ``lake``; nothing is written there."""
        self._specs, self._lake = specs, lake
        self._tables = {name: TableReader(lake.joinpath(*name.split("."))) for name in SERVED}
        self._lookback = Lookback.of(specs)
        self._roads: tuple[int, dict[str, Road]] = (-1, {})
        self._looked_into: tuple[int, bool] | None = None
        self.snapshot: Snapshot | None = None

    def refresh(self) -> Snapshot | None:
        """Build a new snapshot if a newer complete state is there; None where there is none.

        Raises:
            Unavailable: the road segments or silver are not there yet.
            OSError, DeltaError: the tables cannot be read; the last snapshot stays.
        """
        for name in (KPI, SCORES, SILVER, ROAD):  # the KPIs first: the others may only be ahead
            self._tables[name].refresh()
        versions = self._settled()
        if self.snapshot is not None and versions == self.snapshot.versions:
            return None
        self.snapshot = self._build(versions)
        return self.snapshot

    def _settled(self) -> dict[str, int]:
        kpi = self._tables[KPI]
        finished = next((mark for mark in kpi.marks if mark.batch is not None), None)
        found: dict[str, int] = {}
        for name in SERVED:
            version = self._tables[name].version
            if name in (SILVER, SCORES):
                version = settled_version(self._tables[name].marks, finished)
            if version is not None:
                found[name] = version
        if ROAD not in found or SILVER not in found:
            raise Unavailable(
                f"{self._lake} has no complete batch yet; load segments with `traffic segment"
                " load`, and run `traffic land` and `traffic stream`"
            )
        head = self._tables[SILVER].version
        if (
            head is not None
            and head != found[SILVER]
            and not self._gold_will_follow(head, finished)
        ):
            found[SILVER] = head
        return found

    def _gold_will_follow(self, head: int, finished: Mark | None) -> bool:
        """Whether silver's hidden commits hold windows that gold is made of.

        A batch that only closes windows of another length than the primary one ends with silver.
        """
        if self._looked_into is None or self._looked_into[0] != head:
            changed = pc.field("window_seconds") == self._lookback.window_seconds
            files: Files = []
            if finished is not None:
                changed &= pc.field("committed_at") > finished.committed_at
                files = [("committed_at", ">", finished.committed_at)]
            silver = self._tables[SILVER].dataset(head, files)
            self._looked_into = (head, silver.count_rows(filter=changed) > 0)
        return self._looked_into[1]

    def _build(self, versions: dict[str, int]) -> Snapshot:
        if self._roads[0] != versions[ROAD]:
            rows = self._tables[ROAD].dataset(versions[ROAD], []).to_table()
            self._roads = (versions[ROAD], _roads(rows))
        roads = self._roads[1]
        opens = {
            name: partial(self._tables[name].dataset, version)
            for name, version in versions.items() if name != ROAD
        }  # fmt: skip
        newest = self._newest_windows(opens[KPI]([])) if KPI in opens else {}
        current = standing(opens[SILVER], opens.get(SCORES), newest, self._lookback)
        zones = {road.row["source"]: road.row["time_zone"] for road in roads.values()}
        as_of = AsOf(
            tables=versions,
            committed_at=max(self._committed_at(name, versions[name]) for name in opens),
            kafka_timestamp=current.kafka_timestamp,
            sources=[
                SourceTime(source=source, window_start=start, time_zone=zones.get(source))
                for source, start in sorted(newest.items())
            ],
        )
        return Snapshot(
            versions=versions, as_of=as_of, pickup_seconds=None,
            tables={name: self._tables[name].at(versions[name]) for name in opens},
            roads=roads, newest=newest, current=current,
            kept=Kept(self._specs.ops.serving.cache_bytes),
        )  # fmt: skip

    def _newest_windows(self, kpis: Dataset) -> dict[str, datetime]:
        """By source; the KPIs have a row for every window, and are small."""
        rows = kpis.to_table(columns=["source", "window_start"])
        newest = rows.group_by("source", use_threads=False).aggregate([("window_start", "max")])
        starts, sources = newest["window_start_max"].to_pylist(), newest["source"].to_pylist()
        return dict(zip(sources, starts, strict=True))

    def _committed_at(self, name: str, version: int) -> datetime:
        marks = self._tables[name].marks
        return next((mark.committed_at for mark in marks if mark.version <= version), EPOCH)

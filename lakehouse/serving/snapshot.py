"""One state of the lake as the API serves it: built whole, then shown at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from lakehouse.journal import now
from lakehouse.serving.current import EPOCH, Lookback, Standing, standing
from lakehouse.serving.rows import AsOf, SourceTime
from lakehouse.serving.versions import Mark, TableReader, settled_version
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
        pickup_seconds: from the newest commit until it was ready to be served; None for the first
            one, whose commits are from before the API was there.
        datasets: the tables at those versions, lazily.
        roads: by ``segment_id``, in its order.
        newest: by source, its newest window.
        current: how every segment stands now.
    """

    versions: Mapping[str, int]
    as_of: AsOf
    pickup_seconds: float | None
    datasets: Mapping[str, Dataset]
    roads: Mapping[str, Road]
    newest: Mapping[str, datetime]
    current: Standing


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

    def __init__(self, lake: Path, specs: Specs) -> None:
        """Read below ``lake``; nothing is written there."""
        self._specs, self._lake = specs, lake
        self._tables = {name: TableReader(lake.joinpath(*name.split("."))) for name in SERVED}
        self._lookback = Lookback(
            specs.transforms.primary.size_seconds, specs.ops.serving.current_seconds
        )
        self._horizons = frozenset(specs.ml.horizons_minutes)
        self._roads: tuple[int, dict[str, Road]] = (-1, {})
        self._looked_into: tuple[int, bool] | None = None
        self.snapshot: Snapshot | None = None

    def refresh(self) -> bool:
        """Build a new snapshot if a newer complete state is there; says whether one was built.

        Raises:
            Unavailable: the road segments or silver are not there yet.
            OSError, DeltaError: the tables cannot be read; the last snapshot stays.
        """
        for name in (KPI, SCORES, SILVER, ROAD):  # the KPIs first: the others may only be ahead
            self._tables[name].refresh()
        versions = self._settled()
        if self.snapshot is not None and versions == self.snapshot.versions:
            return False
        self.snapshot = self._build(versions)
        return True

    def standing_at(self, snapshot: Snapshot, moment: datetime) -> Standing:
        """How every segment stood at ``moment``, in the state that ``snapshot`` is of."""
        moments = {source: min(moment, newest) for source, newest in snapshot.newest.items()}
        silver, scores = snapshot.datasets[SILVER], snapshot.datasets.get(SCORES)
        return standing(silver, scores, moments, self._lookback, self._horizons)

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
            if finished is not None:
                changed &= pc.field("committed_at") > finished.committed_at
            silver = self._tables[SILVER].dataset(head)
            self._looked_into = (head, silver.count_rows(filter=changed) > 0)
        return self._looked_into[1]

    def _build(self, versions: dict[str, int]) -> Snapshot:
        datasets = {
            name: self._tables[name].dataset(version)
            for name, version in versions.items() if name != ROAD
        }  # fmt: skip
        if self._roads[0] != versions[ROAD]:
            rows = self._tables[ROAD].dataset(versions[ROAD]).to_table()
            self._roads = (versions[ROAD], _roads(rows))
        roads = self._roads[1]
        newest = self._newest_windows(datasets)
        current = standing(
            datasets[SILVER], datasets.get(SCORES), newest, self._lookback, self._horizons
        )
        zones = {road.row["source"]: road.row["time_zone"] for road in roads.values()}
        as_of = AsOf(
            tables=versions,
            committed_at=max(self._committed_at(name, versions[name]) for name in datasets),
            kafka_timestamp=current.kafka_timestamp,
            sources=[
                SourceTime(source=source, window_start=start, time_zone=zones.get(source))
                for source, start in sorted(newest.items())
            ],
        )
        pickup = None
        if self.snapshot is not None:  # the log's clock has milliseconds, so it may seem before
            pickup = max(0.0, (now() - as_of.committed_at).total_seconds())
        return Snapshot(versions, as_of, pickup, datasets, roads, newest, current)

    def _newest_windows(self, datasets: Mapping[str, Dataset]) -> dict[str, datetime]:
        """By source; the KPIs have a row for every window, and are small."""
        if KPI not in datasets:
            return {}
        rows = datasets[KPI].to_table(columns=["source", "window_start"])
        newest = rows.group_by("source", use_threads=False).aggregate([("window_start", "max")])
        starts, sources = newest["window_start_max"].to_pylist(), newest["source"].to_pylist()
        return dict(zip(sources, starts, strict=True))

    def _committed_at(self, name: str, version: int) -> datetime:
        marks = self._tables[name].marks
        return next((mark.committed_at for mark in marks if mark.version <= version), EPOCH)

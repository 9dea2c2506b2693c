"""Readings of a synthetic city whose truth is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.city import City
from ingestion.incidents import SECONDS_A_DAY, Incident, Queues, incidents_of_day, queues
from ingestion.traffic_event import event_schema
from ingestion.traffic_flow import demand, flow_veh_h, occupancy_ratio, speed_kmh
from specs.errors import WrongInput
from specs.sources import SourceSpec
from specs.tables import TopicSpec

Floats = npt.NDArray[np.float64]

SPEED_NOISE, OCCUPANCY_NOISE, DENSITY_NOISE = 0.03, 0.03, 0.05
MAX_DENSITY = 2.5
TICK_READINGS, MAX_TICK_SECONDS = 500, 60.0
SPEED_RANGE_KMH = (2.0, 200.0)


@dataclass(frozen=True, eq=False)
class Simulation:
    """A run of the simulator; the same arguments give the same readings.

    Attributes:
        source: the simulator's spec; its time zone says when rush hour is.
        topic: topic of the events.
        city: its segments report in turn, each every ``len(city) / rate`` seconds.
        rate: readings per second of simulated time, over all segments.
        start: event time of the first reading; needs a zone.
        seed: decides incidents and noise.
    """

    source: SourceSpec
    topic: TopicSpec
    city: City
    rate: float
    start: datetime
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            WrongInput: the rate is not positive, or so high that a segment would report twice in
                a millisecond, or the start has no zone.
        """
        if not 0 < self.rate <= 1000 * len(self.city):
            raise WrongInput(f"rate is {self.rate:g}; give more than 0, at most 1000 a segment")
        if self.start.tzinfo is None:
            raise WrongInput(f"{self.start.isoformat()} needs an offset, or Z for UTC")

    @property
    def interval_seconds(self) -> int:
        """How often a segment reports, to whole seconds, at least 1."""
        return max(1, round(len(self.city) / self.rate))

    def incidents(self, day: int) -> list[Incident]:
        """Incidents that begin on ``day`` (days since the epoch, UTC)."""
        return incidents_of_day(self.city, self.seed, day)

    def readings(self, seconds: float | None = None) -> Iterator[pa.RecordBatch]:
        """Readings from the start on, in event-time order, for ``seconds`` or without end.

        Returns:
            Batches with the schema of `event_schema`, one for each tick of simulated time (1 s,
            at low rates up to 60 s), in which density stands still. Event times are in
            milliseconds. Speeds follow density by `traffic_flow`; an ok reading stands for at
            least one vehicle. A stuck detector repeats its speed, a dead one has status missing
            and no measurement.
        """
        tick_seconds = min(max(1.0, TICK_READINGS / self.rate), MAX_TICK_SECONDS)
        total = None if seconds is None else round(seconds * self.rate)
        first, tick = 0, 0
        while total is None or first < total:
            last = round((tick + 1) * tick_seconds * self.rate)
            last = last if total is None else min(last, total)
            if last > first:
                yield self._batch(tick, np.arange(first, last))
            first, tick = last, tick + 1

    def _batch(self, tick: int, numbers: npt.NDArray[np.int64]) -> pa.RecordBatch:
        city = self.city
        rng = np.random.default_rng([self.seed, 2, tick])
        segment = self._order[numbers % len(city)]
        start_ms = round(self.start.timestamp() * 1000)
        time_ms = start_ms + np.floor(numbers * (1000 / self.rate)).astype(np.int64)
        density = self._density(time_ms[0] / 1000)[segment]
        noise = rng.standard_normal((3, len(numbers)))
        density = np.clip(density * (1 + DENSITY_NOISE * noise[0]), 0.02, MAX_DENSITY)
        free_flow = city.free_flow_kmh[segment]
        speed = speed_kmh(density, free_flow) * (1 + SPEED_NOISE * noise[1])
        speed = np.clip(speed, *SPEED_RANGE_KMH).round(2)
        speed = np.where(city.is_stuck[segment], city.stuck_kmh[segment], speed)
        occupancy = occupancy_ratio(density, free_flow) * (1 + OCCUPANCY_NOISE * noise[2])
        flow = flow_veh_h(density, free_flow, city.lanes[segment])
        expected = flow * (len(city) / self.rate) / 3600
        count = 1 + rng.poisson(np.maximum(expected - 1, 0))
        values = {
            "speed_kmh": speed,
            "vehicle_count": count,
            "occupancy_ratio": np.clip(occupancy, 0, 1).round(4),
            "travel_time_s": (3.6 * city.length_m[segment] / speed).round(1),
        }
        return self._rows(segment, time_ms, values)

    def _density(self, moment: float) -> Floats:
        """Density of every segment, in critical densities."""
        city = self.city
        local = datetime.fromtimestamp(moment, ZoneInfo(self.source.time_zone))
        hour = local.hour + local.minute / 60 + local.second / 3600
        base = demand(hour, local.weekday(), city.morning, city.evening)
        wave = 1 + 0.1 * np.sin(moment / 400 + np.arange(len(city)) * 0.7)
        queued = self._queues(int(moment // SECONDS_A_DAY))
        density: Floats = base * wave + queued.added(moment, len(city))
        return density

    @cached_property
    def _order(self) -> npt.NDArray[np.int64]:
        """In which order the segments report."""
        return np.random.default_rng([self.seed, 3]).permutation(len(self.city))

    @cached_property
    def _queues_by_day(self) -> dict[int, Queues]:
        return {}

    def _queues(self, day: int) -> Queues:
        """Queues that can exist on ``day``; those of the day before may last into it."""
        if day not in self._queues_by_day:
            both = [*self.incidents(day - 1), *self.incidents(day)]
            self._queues_by_day.clear()
            self._queues_by_day[day] = queues(self.city, both)
        return self._queues_by_day[day]

    def _rows(
        self,
        segment: npt.NDArray[np.int64],
        time_ms: npt.NDArray[np.int64],
        values: dict[str, npt.NDArray[np.generic]],
    ) -> pa.RecordBatch:
        rows = len(segment)
        dead = self.city.is_dead[segment]
        segment_ids = self.city.segment_ids.take(pa.array(segment))
        times = pa.array(time_ms)
        columns: dict[str, pa.Array] = {
            "event_id": pc.binary_join_element_wise(segment_ids, times.cast(pa.string()), ":"),
            "source": pa.repeat(self.source.source, rows),
            "segment_id": segment_ids,
            "event_time": times.cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC")),
            "status": pa.array(np.where(dead, "missing", "ok")),
            "schema_version": pa.repeat(pa.scalar(self.topic.version, pa.int64()), rows),
            **{name: pa.array(value, mask=dead) for name, value in values.items()},
        }
        schema = event_schema(self.topic)
        return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)

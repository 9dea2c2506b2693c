"""A city that does not exist: corridors through a centre, and what is wrong with its sensors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestion.geometry import Point
from specs.arrow import arrow_schema
from specs.errors import WrongInput
from specs.sources import SourceSpec
from specs.tables import TableSpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CENTRE = Point(56.1567, 10.2108)
METRES_A_DEGREE = 111_195.0
CORRIDOR_SEGMENTS = 20
FREE_FLOW_KMH = (50.0, 70.0, 90.0, 110.0)
SEGMENT_M = (350.0, 850.0)
STUCK_RATIO, DEAD_RATIO = 0.02, 0.01
RUSH_DENSITY = (0.3, 1.5)
"""What a corridor's heavier rush adds, in critical densities."""
OFF_DIRECTION = 0.45
"""The other rush, as a share of it."""
POLYLINE_POINTS = 4


@dataclass(frozen=True, eq=False)
class City:
    """Segments of a synthetic city; arrays have one element a segment.

    Attributes:
        source: source the segment ids are prefixed with.
        segment_ids: ``source:s00000`` and so on; corridor by corridor, from upstream to downstream.
        corridor: corridor it lies on.
        begin_m: distance of its upstream end along the corridor.
        length_m: length.
        free_flow_kmh: free-flow speed.
        lanes: number of lanes.
        morning: peak density of the morning rush, in critical densities; ``evening`` likewise.
        is_stuck: the detector repeats ``stuck_kmh`` whatever the traffic does.
        is_dead: the detector reports without a measurement.
    """

    source: str
    segment_ids: pa.Array
    corridor: Ints
    begin_m: Floats
    length_m: Floats
    free_flow_kmh: Floats
    lanes: Floats
    morning: Floats
    evening: Floats
    is_stuck: npt.NDArray[np.bool_]
    is_dead: npt.NDArray[np.bool_]
    stuck_kmh: Floats

    def __len__(self) -> int:
        """Number of segments."""
        return len(self.corridor)


def build_city(source: str, segments: int, seed: int) -> City:
    """Lay out a city of ``segments`` segments; a larger city of the same seed begins with it.

    Every second corridor leads into the centre and is heaviest in the morning; the others lead
    out and are heaviest in the evening. About 2 % of the detectors are stuck and 1 % dead.

    Raises:
        WrongInput: ``segments`` is not from 1 to 1,000,000.
    """
    if not 1 <= segments <= 1_000_000:
        raise WrongInput(f"{segments} segments; give 1 to 1,000,000")
    corridor = np.arange(segments) // CORRIDOR_SEGMENTS
    corridors = int(corridor[-1]) + 1
    draws = [np.random.default_rng([seed, 0, purpose]) for purpose in range(7)]
    length = draws[0].uniform(*SEGMENT_M, segments).round(1)
    along = np.cumsum(length) - length
    free_flow = draws[1].choice(FREE_FLOW_KMH, corridors)[corridor]
    lanes = draws[2].integers(1, 4, corridors)[corridor].astype(np.float64)
    heavy = draws[3].uniform(*RUSH_DENSITY, corridors)[corridor]
    heavy *= draws[4].uniform(0.85, 1.15, segments)
    is_inbound = corridor % 2 == 0
    fault = draws[5].random(segments)
    return City(
        source=source,
        segment_ids=pa.array([f"{source}:s{index:05d}" for index in range(segments)]),
        corridor=corridor,
        begin_m=along - along[corridor * CORRIDOR_SEGMENTS],
        length_m=length,
        free_flow_kmh=free_flow,
        lanes=lanes,
        morning=np.where(is_inbound, 1.0, OFF_DIRECTION) * heavy,
        evening=np.where(is_inbound, OFF_DIRECTION, 1.0) * heavy,
        is_stuck=fault < STUCK_RATIO,
        is_dead=(fault >= STUCK_RATIO) & (fault < STUCK_RATIO + DEAD_RATIO),
        stuck_kmh=(free_flow * draws[6].uniform(0.3, 1.0, segments)).round(1),
    )


def simulated_city(source: SourceSpec, segments: int | None = None) -> City:
    """Lay out the city of ``source``, or as many of its ``segments``, or more.

    Raises:
        WrongInput: the source is not a simulated one, or there cannot be so many segments.
    """
    if source.simulated is None:
        raise WrongInput(f"source {source.source} is not simulated; replay it")
    count = source.simulated.segments if segments is None else segments
    return build_city(source.source, count, source.simulated.seed)


def city_segments(
    city: City, source: SourceSpec, table: TableSpec, interval_seconds: int
) -> pa.Table:
    """Rows of ``silver.road_segment`` (``table``) for ``city``, in the order of its ids.

    A corridor is a slightly bent ray; its segments follow each other, so each has at most one
    neighbour upstream and one downstream, and free flow is the known truth.
    """
    ids = city.segment_ids.to_pylist()
    rows = []
    for index, segment_id in enumerate(ids):
        corridor = city.corridor[index]
        has_upstream = index > 0 and city.corridor[index - 1] == corridor
        has_downstream = index + 1 < len(city) and city.corridor[index + 1] == corridor
        rows.append(
            {
                "segment_id": segment_id,
                "source": source.source,
                "name": f"Corridor {corridor} {'inbound' if corridor % 2 == 0 else 'outbound'}",
                "polyline": [point._asdict() for point in _polyline(city, index)],
                "length_m": float(city.length_m[index]),
                "free_flow_speed_kmh": float(city.free_flow_kmh[index]),
                "interval_seconds": interval_seconds,
                "time_zone": source.time_zone,
                "upstream_segment_ids": [ids[index - 1]] if has_upstream else [],
                "downstream_segment_ids": [ids[index + 1]] if has_downstream else [],
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(table))


def _polyline(city: City, index: int) -> list[Point]:
    corridor = int(city.corridor[index])
    angle = 2.399963 * corridor  # golden angle: neighbours in number lie far apart on the map
    total = CORRIDOR_SEGMENTS * sum(SEGMENT_M) / 2
    along = city.begin_m[index] + np.linspace(0, city.length_m[index], POLYLINE_POINTS)
    radius = total + 500 - along if corridor % 2 == 0 else 500 + along
    bearing = angle + 0.1 * np.sin(radius / 2500)
    lat = CENTRE.lat + radius * np.cos(bearing) / METRES_A_DEGREE
    east_degree = METRES_A_DEGREE * np.cos(np.radians(CENTRE.lat))
    lon = CENTRE.lon + radius * np.sin(bearing) / east_degree
    return [Point(round(float(a), 6), round(float(o), 6)) for a, o in zip(lat, lon, strict=True)]

"""Incidents of a synthetic city: they start at a segment and their queue moves upstream."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion.city import City

Floats = npt.NDArray[np.float64]

INCIDENTS_A_CORRIDOR_DAY = 2.0
DURATION_SECONDS = (900.0, 3600.0)
ADDED_DENSITY = (0.9, 1.8)
WAVE_M_S = 15 / 3.6
"""Speed at which the queue's end, and later its dissolving, moves upstream."""
REACH_M = 4000.0
RAMP_SECONDS = 120.0
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Incident:
    """Something blocks the road."""

    segment: int
    """Index of the segment where it is."""
    begin: float
    """Seconds since the epoch."""
    end: float
    added_density: float
    """Added to the density at the segment itself, in critical densities; fades with distance."""


def incidents_of_day(city: City, seed: int, day: int) -> list[Incident]:
    """Incidents that begin on ``day`` (days since the epoch, UTC); the same ones every time."""
    rng = np.random.default_rng([seed, 1, day])
    corridors = int(city.corridor[-1]) + 1
    count = int(rng.poisson(INCIDENTS_A_CORRIDOR_DAY * corridors))
    segment = rng.integers(0, len(city), count)
    begin = day * SECONDS_A_DAY + rng.uniform(0, SECONDS_A_DAY, count)
    end = begin + rng.uniform(*DURATION_SECONDS, count)
    added = rng.uniform(*ADDED_DENSITY, count)
    return [
        Incident(int(s), float(b), float(e), float(a))
        for s, b, e, a in zip(segment, begin, end, added, strict=True)
    ]


@dataclass(frozen=True)
class Queues:
    """What incidents do to segments: rows of (segment, from when, to when, how much)."""

    segment: npt.NDArray[np.int64]
    begin: Floats
    end: Floats
    added_density: Floats

    def added(self, moment: float, segments: int) -> Floats:
        """Density added to each of ``segments`` segments at ``moment``."""
        rise = np.clip((moment - self.begin) / RAMP_SECONDS, 0, 1)
        fall = np.clip((self.end + RAMP_SECONDS - moment) / RAMP_SECONDS, 0, 1)
        density = np.zeros(segments)
        np.add.at(density, self.segment, self.added_density * np.minimum(rise, fall))
        return density


def queues(city: City, incidents: list[Incident]) -> Queues:
    """Spread ``incidents`` upstream along their corridors.

    A segment ``d`` metres upstream feels the incident ``d / WAVE_M_S`` seconds later, from its
    begin to its end, weaker with distance and not at all from `REACH_M` on.
    """
    rows = []
    for incident in incidents:
        at = city.begin_m[incident.segment]
        segment = incident.segment
        while segment >= 0 and city.corridor[segment] == city.corridor[incident.segment]:
            distance = float(at - city.begin_m[segment])
            if distance >= REACH_M:
                break
            delay = distance / WAVE_M_S
            weight = 1 - distance / REACH_M
            rows.append(
                (segment, incident.begin + delay, incident.end + delay,
                 incident.added_density * weight)
            )  # fmt: skip
            segment -= 1
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Queues(columns[0].astype(np.int64), columns[1], columns[2], columns[3])

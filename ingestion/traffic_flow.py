"""How dense traffic is at a time of the week, and what that means for speed, flow and occupancy."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CAPACITY_VEH_H = 1800.0
"""Vehicles an hour and lane at the critical density."""

VEHICLE_KM = 0.0055
"""Length a vehicle occupies over a detector, its own and the detector's."""

WEEKEND_FACTORS = {5: 0.55, 6: 0.45}
NIGHT_DENSITY = 0.12
MORNING_HOUR, EVENING_HOUR = 8.0, 17.0
RUSH_HOURS = 1.2


def demand(hour: float, weekday: int, morning: Floats, evening: Floats) -> Floats:
    """Density in critical densities, before incidents.

    Args:
        hour: local time of day in hours, 0 to 24.
        weekday: 0 is Monday.
        morning: density that the peak of the morning rush adds, for each segment.
        evening: density that the peak of the evening rush adds, for each segment.
    """
    day = NIGHT_DENSITY + 0.3 / (1 + np.exp(-2 * (hour - 6))) / (1 + np.exp(2 * (hour - 21)))
    rush_1 = np.exp(-0.5 * ((hour - MORNING_HOUR) / RUSH_HOURS) ** 2)
    rush_2 = np.exp(-0.5 * ((hour - EVENING_HOUR) / RUSH_HOURS) ** 2)
    factor = WEEKEND_FACTORS.get(weekday, 1.0)
    peak: Floats = day + factor * (morning * rush_1 + evening * rush_2)
    return peak


def speed_kmh(density: Floats, free_flow_kmh: Floats) -> Floats:
    """Speed at ``density`` (in critical densities), bell-shaped.

    Source: Drake, Schofer and May 1967, "A statistical analysis of speed-density hypotheses":
    u = u_f exp(-(k / k_c)^2 / 2). u: speed, u_f: ``free_flow_kmh``, k / k_c: ``density``.
    """
    speed: Floats = free_flow_kmh * np.exp(-0.5 * density**2)
    return speed


def vehicles_a_km(density: Floats, free_flow_kmh: Floats) -> Floats:
    """Vehicles per km and lane: at density 1, flow is the capacity."""
    return density * CAPACITY_VEH_H / speed_kmh(np.ones_like(density), free_flow_kmh)


def flow_veh_h(density: Floats, free_flow_kmh: Floats, lanes: Floats) -> Floats:
    """Vehicles an hour over all lanes: density times speed."""
    per_lane = vehicles_a_km(density, free_flow_kmh) * speed_kmh(density, free_flow_kmh)
    return per_lane * lanes


def occupancy_ratio(density: Floats, free_flow_kmh: Floats) -> Floats:
    """Share of time a detector is occupied, at most 1."""
    return np.minimum(1.0, vehicles_a_km(density, free_flow_kmh) * VEHICLE_KM)

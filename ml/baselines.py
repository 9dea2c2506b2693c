"""What a model has to beat: forecasts that anyone can make."""

from collections.abc import Callable

import numpy as np

from ml.calendar import seconds_of_week
from ml.features import targets_of
from ml.grid import Rows
from ml.measures import Forecast
from ml.observations import Observations
from ml.places import Places
from ml.profile import Profile
from specs.ml import Baseline


def persistence(
    observations: Observations, profile: Profile, rows: Rows, horizon_minutes: int
) -> Forecast:
    """It stays as it was last observed."""
    grid, spec = observations.seen, observations.spec
    ratio = Places(grid, rows, spec.history_windows).newest
    speed = ratio * grid.roads.free_flow_speed_kmh[rows.segment]
    return Forecast(observations.label(rows, speed).astype(np.float64), speed)


def historical_average(
    observations: Observations, profile: Profile, rows: Rows, horizon_minutes: int
) -> Forecast:
    """It is as usual on the segment at the target's time of the week."""
    grid = observations.seen
    target = targets_of(grid, rows, horizon_minutes)
    clock = seconds_of_week(grid.roads, target, grid.window_seconds)
    ids = grid.roads.segment_ids
    ratio = profile.at("speed_ratio", ids, rows.segment, clock)
    share = profile.at("congested_ratio", ids, rows.segment, clock)
    return Forecast(share, ratio * grid.roads.free_flow_speed_kmh[rows.segment])


BASELINES: dict[Baseline, Callable[[Observations, Profile, Rows, int], Forecast]] = {
    "persistence": persistence,
    "historical_average": historical_average,
}

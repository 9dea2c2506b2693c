"""Sanity of a model: slower traffic must not look freer."""

from dataclasses import replace

import numpy as np

from ml.evaluate import eligible
from ml.model import CongestionModel
from ml.observations import Observations

SLOWER = 0.7
ROWS = 2_000
TOLERANCE = 0.01  # of a probability; trees step


def slower_is_likelier(observations: Observations, model: CongestionModel) -> float | None:
    """Share of forecasts whose probability of congestion does not fall when all traffic is slower.

    The newest rows are forecast twice, from what was observed and from 0.7 of those speeds, at
    every horizon. None where there is no row.
    """
    grid = observations.seen
    last = int(grid.windows[-1])
    span = max(ROWS // len(grid.roads.segment_ids), 1)
    rows = eligible(grid, last - span + 1, last + 1, observations.spec.protocol.max_age_minutes)
    rows = rows[np.arange(min(len(rows), ROWS))]
    if not len(rows):
        return None
    slow = replace(grid, cells=grid.cells * SLOWER)
    before, after = (model.forecast(one, rows).probability for one in (grid, slow))
    return float((after >= before - TOLERANCE).mean())

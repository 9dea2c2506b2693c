"""What traffic was like lately: the profile of the days before a midnight.

One function makes it for a training row of long ago, for an evaluation and for the model in use, so
that each sees of its past what the others would have seen.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ml.calendar import DAY_SECONDS, HOUR_SECONDS, local_times
from ml.columns import Booleans, Floats, Integers
from ml.grid import Rows, SpeedGrid
from ml.profile import Profile, ProfileSums
from specs.ml import MlSpec


def refresh_days(windows: Integers, window_seconds: int, spec: MlSpec) -> Integers:
    """The midnight (days since the Unix epoch, UTC) whose recent profile serves each window."""
    grace = spec.profile.refresh_hours * HOUR_SECONDS
    return (windows * window_seconds - grace) // DAY_SECONDS


@dataclass(eq=False)
class ObservedCells:
    """Every observed cell of a grid, in order of time, ready to be summed up over stretches."""

    grid: SpeedGrid
    spec: MlSpec
    _recent: dict[int, Profile] = field(default_factory=dict)

    @cached_property
    def rows(self) -> Rows:
        """Observed cells by window, then segment."""
        column, segment = np.nonzero(self.grid.observed.T)
        return Rows(segment, self.grid.windows[column])

    @cached_property
    def _local(self) -> tuple[Integers, Integers]:
        return local_times(self.grid.roads, self.rows, self.grid.window_seconds)

    @property
    def local_day(self) -> Integers:
        """Local date [n] of each cell as an ordinal."""
        return self._local[0]

    @cached_property
    def _ratio(self) -> Floats:
        free_flow: Floats = self.grid.roads.free_flow_speed_kmh[self.rows.segment]
        return self.grid.speeds_at(self.rows) / free_flow

    def between(self, start: int, end: int) -> slice:
        """Positions of the cells of windows from ``start`` to ``end`` (excluded)."""
        first, past = np.searchsorted(self.rows.window, [start, end]).tolist()
        return slice(first, past)

    def sums(self, chosen: Booleans | slice, smoothing_rows: float) -> ProfileSums:
        """Sums of the chosen cells."""
        ratio, rows = self._ratio[chosen], self.rows[chosen]
        congested = (ratio < self.spec.label.congested_below_ratio).astype(np.float64)
        ids, spec = self.grid.roads.segment_ids, self.spec.profile
        return ProfileSums.of(
            ratio, congested, rows.segment, self._local[1][chosen], ids, spec.bucket_minutes,
            smoothing_rows,
        )  # fmt: skip

    def recent(self, day: int) -> Profile:
        """Profile of the recent days before midnight ``day`` (days since the Unix epoch, UTC)."""
        if day not in self._recent:
            per_day, spec = DAY_SECONDS // self.grid.window_seconds, self.spec.profile
            chosen = self.between((day - spec.recent_days) * per_day, day * per_day)
            self._recent[day] = (
                self.sums(chosen, spec.recent_smoothing_rows).profile()
                if chosen.stop > chosen.start
                else Profile.unknown(spec)
            )
        return self._recent[day]

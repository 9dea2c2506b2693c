"""Examples to learn from: rows whose target was truly observed, by local days."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.calendar import local_times, seconds_of_week
from ml.columns import Booleans, Floats, Integers
from ml.features import features, targets_of
from ml.grid import Rows, SpeedGrid
from ml.model import Examples
from ml.profile import Profile, ProfileSums
from specs.errors import WrongInput
from specs.loader import Specs
from specs.ml import MlSpec


def is_congested(speed_kmh: Floats, free_flow_speed_kmh: Floats, spec: MlSpec) -> Booleans:
    """The label rule of the spec; false where the speed is NaN."""
    return speed_kmh < spec.label.congested_below_ratio * free_flow_speed_kmh


@dataclass(frozen=True, eq=False)
class Observations:
    """What was observed: ``seen``, which features read, and ``truth``, which targets come from.

    They differ where a source's windows of few vehicles are too uncertain to judge by.
    """

    seen: SpeedGrid
    truth: SpeedGrid
    spec: MlSpec

    @classmethod
    def of(cls, silver: pa.Table, segments: pa.Table, specs: Specs) -> "Observations":
        """Read rows of ``silver.segment_metric`` and ``silver.road_segment``.

        Args:
            silver: those of the primary window are used; ``source`` and ``vehicle_count`` only
                where the protocol asks for vehicles.
            segments: see `Roads.from_table`.
            specs: the primary window, the label and the protocol.

        Raises:
            WrongInput: a row's segment is not in ``segments``.
        """
        window_seconds = specs.transforms.primary.size_seconds
        grid = SpeedGrid.from_tables(silver, segments, specs.ml.label, window_seconds)
        needed = specs.ml.protocol.min_vehicles
        asked = {one.source: one.vehicles for one in needed if one.source in grid.roads.sources}
        if not asked:
            return cls(grid, grid, specs.ml)
        sure = grid.primary(silver)
        for name, vehicles in asked.items():
            enough = pc.fill_null(pc.greater_equal(sure["vehicle_count"], vehicles), False)
            sure = sure.filter(pc.or_(pc.not_equal(sure["source"], name), enough))
        truth = SpeedGrid.empty(grid.roads, specs.ml.label, window_seconds).with_rows(sure)
        return cls(grid, truth, specs.ml)

    def label(self, rows: Rows, speed_kmh: Floats) -> Booleans:
        """Whether a speed [n] means congestion on the rows' segments."""
        free_flow = self.seen.roads.free_flow_speed_kmh[rows.segment]
        return is_congested(speed_kmh, free_flow, self.spec)

    def targets(self, rows: Rows, horizon_minutes: int) -> Floats:
        """Speed [n] in km/h in the rows' target windows; NaN where none was truly observed."""
        return self.truth.speeds_at(targets_of(self.truth, rows, horizon_minutes))


@dataclass(frozen=True)
class Parts:
    """Rows to learn from, and rows of other days to calibrate on."""

    learn: Rows
    calibrate: Rows


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """Everything that a training may see: windows from ``start`` to ``end`` (excluded)."""

    observations: Observations
    start: int
    end: int
    spec: MlSpec = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", self.observations.spec)

    def parts(self, horizon_minutes: int) -> Parts:
        """Rows with an observed target before the end; a seeded sample of those to learn from."""
        truth, training = self.observations.truth, self.spec.training
        windows = truth.windows
        ahead = truth.windows_in(horizon_minutes)
        inside = (windows >= self.start + ahead) & (windows < self.end)
        segment, column = np.nonzero(truth.observed & inside)
        order = np.lexsort((segment, column))
        rows = Rows(segment[order], windows[column[order]] - ahead)
        held_out = self._held_out(self._target_days(rows, horizon_minutes))
        learn = np.flatnonzero(~held_out)
        size = training.sample.size(len(learn))
        if size < len(learn):
            random = np.random.default_rng([training.seed, horizon_minutes])
            learn = np.sort(random.choice(learn, size, replace=False))
        return Parts(rows[learn], rows[held_out])

    def _target_days(self, rows: Rows, horizon_minutes: int) -> Integers:
        truth = self.observations.truth
        target = targets_of(truth, rows, horizon_minutes)
        return local_times(truth.roads, target, truth.window_seconds)[0]

    def _held_out(self, days: Integers) -> Booleans:
        """Which days calibrate: every so many counted back from the last."""
        if not len(days):
            return np.zeros(0, dtype=np.bool_)
        last, span = int(days.max()), int(days.max() - days.min()) + 1
        every = self.spec.training.calibrate_every_days
        held_out: Booleans = (last - days) % every == min(every, span) // 2
        return held_out

    @cached_property
    def _usual_rows(self) -> tuple[Rows, Integers, Integers]:
        """Every observed cell, its local day and its second of the week."""
        seen = self.observations.seen
        inside = (seen.windows >= self.start) & (seen.windows < self.end)
        segment, column = np.nonzero(seen.observed & inside)
        rows = Rows(segment, seen.windows[column])
        if not len(rows):
            raise WrongInput("nothing was observed in the time to train on; take a longer one")
        return rows, *local_times(seen.roads, rows, seen.window_seconds)

    def _sums(self, chosen: Booleans | slice) -> ProfileSums:
        seen = self.observations.seen
        rows, _, clock = self._usual_rows
        rows, clock = rows[chosen], clock[chosen]
        ratio = seen.speeds_at(rows) / seen.roads.free_flow_speed_kmh[rows.segment]
        congested = (ratio < self.spec.label.congested_below_ratio).astype(np.float64)
        ids = seen.roads.segment_ids
        return ProfileSums.of(ratio, congested, rows.segment, clock, ids, self.spec.profile)

    @cached_property
    def _all_sums(self) -> ProfileSums:
        return self._sums(slice(None))

    @cached_property
    def profile(self) -> Profile:
        """What was usual in all of the time.

        Raises:
            WrongInput: nothing was observed.
        """
        return self._all_sums.profile()

    def by_day(self, rows: Rows, horizon_minutes: int) -> Iterator[tuple[Integers, Profile]]:
        """Positions of the rows whose target is on one local day, and the profile of the others.

        A profile that had averaged the target itself would promise more than it can keep.
        """
        days = self._target_days(rows, horizon_minutes)
        usual_days = self._usual_rows[1]
        for day in np.unique(days).tolist():
            rest = self._all_sums.without(self._sums(usual_days == day))
            if rest.counts.sum() > 0:
                yield np.flatnonzero(days == day), rest.profile()

    def examples(self, rows: Rows, horizon_minutes: int) -> Examples:
        """Features and outcome of rows, each with the profile that leaves its target's day out."""
        inputs = np.full((len(rows), len(self.spec.features)), np.nan)
        seen = self.observations.seen
        for chosen, profile in self.by_day(rows, horizon_minutes):
            inputs[chosen] = features(seen, rows[chosen], self.spec, profile, horizon_minutes)
        speed = self.observations.targets(rows, horizon_minutes)
        return Examples(inputs, self.observations.label(rows, speed), speed)


__all__ = ["ExampleSet", "Observations", "Parts", "is_congested", "seconds_of_week"]

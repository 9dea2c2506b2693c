"""Examples to learn from: rows whose target was truly observed, by local days."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ml.calendar import local_times
from ml.columns import Booleans, Integers, pieces
from ml.features import PIECE_ROWS, features, targets_of
from ml.grid import Rows
from ml.memory import Memory
from ml.model import Examples
from ml.network_fit import NetworkFits, fit_networks
from ml.observations import Observations
from ml.profile import Profile, ProfileSums
from ml.recent import ObservedCells, refresh_days
from specs.errors import WrongInput
from specs.ml import MlSpec

EVERY_HOURS = 7
"""Of a short time. It shares no factor with a day's 24, so that each clock hour has its turn."""


@dataclass(frozen=True)
class Parts:
    """Rows to learn from, and rows of other days to calibrate on.

    ``again`` are positions in ``calibrate``, in number as large a share of its days' rows as
    ``learn`` is of the others'.
    """

    learn: Rows
    calibrate: Rows
    again: Integers


def _some(random: np.random.Generator, positions: Integers, most: int) -> Integers:
    """So many of the positions at most, in their order."""
    if len(positions) <= most:
        return positions
    return np.sort(random.choice(positions, most, replace=False))


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """Everything that a training may see: windows from ``start`` to ``end`` (excluded)."""

    observations: Observations
    start: int
    end: int
    spec: MlSpec = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", self.observations.spec)

    @property
    def cells(self) -> ObservedCells:
        """What profiles are made from."""
        return self.observations.cells

    def parts(self, horizon_minutes: int) -> Parts:
        """Rows with an observed target before the end; of many a seeded sample in each part."""
        truth, training = self.observations.truth, self.spec.training
        windows = truth.windows
        ahead = truth.windows_in(horizon_minutes)
        passed = self.observations.passed(windows, self.end)
        inside = (windows >= self.start + ahead) & passed
        segment, column = np.nonzero(truth.observed & inside)
        order = np.lexsort((segment, column))
        rows = Rows(segment[order], windows[column[order]] - ahead)
        held_out = self._held_out(rows, horizon_minutes)
        learn, calibrate = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        random = np.random.default_rng([training.seed, horizon_minutes])
        size, most = training.sample.size(len(learn)), training.sample.max_rows
        few = len(calibrate) * size // max(len(learn), 1)
        learn = _some(random, learn, size)
        again = _some(random, np.arange(min(len(calibrate), most)), few)
        return Parts(rows[learn], rows[_some(random, calibrate, most)], again)

    def _target_days(self, rows: Rows, horizon_minutes: int) -> Integers:
        truth = self.observations.truth
        target = targets_of(truth, rows, horizon_minutes)
        return local_times(truth.roads, target, truth.window_seconds)[0]

    def _held_out(self, rows: Rows, horizon_minutes: int) -> Booleans:
        """Which rows calibrate: targets of every so many local days, counted back from the last.

        Of a time with fewer than twice as many days, where the one day might be a Sunday, it is
        every seventh hour.
        """
        every = self.spec.training.calibrate_every_days
        parts = self._target_days(rows, horizon_minutes)
        if len(parts) and int(parts.max() - parts.min()) + 1 < 2 * every:
            truth, every = self.observations.truth, EVERY_HOURS
            parts = targets_of(truth, rows, horizon_minutes).window // truth.windows_in(60)
        held_out: Booleans = (parts.max(initial=0) - parts) % every == every // 2
        return held_out

    @cached_property
    def _inside(self) -> slice:
        """Positions of the observed cells that are over within this time."""
        return self.cells.between(self.start, self.end + 1 - self.observations.target_windows)

    @cached_property
    def _all_sums(self) -> ProfileSums:
        if self._inside.stop <= self._inside.start:
            raise WrongInput("nothing was observed in the time to train on; take a longer one")
        return self.cells.sums(self._inside, self.spec.profile.smoothing_rows)

    @cached_property
    def profile(self) -> Profile:
        """What was usual in all of the time.

        Raises:
            WrongInput: nothing was observed.
        """
        return self._all_sums.profile()

    @cached_property
    def networks(self) -> NetworkFits:
        """How segments go on, seen from their network."""
        return fit_networks(self.observations, self.start, self.end)

    def _without(self, local_day: int) -> Profile:
        """What was usual on all other days; on that day itself where there is no other."""
        first = self._inside.start
        own = first + np.flatnonzero(self.cells.local_day[self._inside] == local_day)
        rest = self._all_sums.without(self.cells.sums(own, self.spec.profile.smoothing_rows))
        return rest.profile() if rest.counts.sum() > 0 else self.profile

    def by_day(self, rows: Rows, horizon_minutes: int) -> Iterator[tuple[Integers, Memory]]:
        """Positions of rows that share what they may remember, and that.

        The usual profile leaves out the local day of the targets, and so does the network's
        forecast: one that had seen the target itself would promise more than it can keep. The
        recent profile ends before the row's day.
        """
        seconds = self.observations.seen.window_seconds
        days = self._target_days(rows, horizon_minutes)
        refreshed = refresh_days(rows.window, seconds, self.spec)
        for local_day in np.unique(days).tolist():
            usual = self._without(local_day)
            same = np.flatnonzero(days == local_day)
            network = self.networks.without(local_day)
            for day in np.unique(refreshed[same]).tolist():
                recent = self.cells.recent(day)
                yield same[refreshed[same] == day], Memory(usual, recent, network)

    def examples(self, rows: Rows, horizon_minutes: int) -> Examples:
        """Features and outcome of rows, each with the profile that leaves its target's day out."""
        inputs = np.full((len(rows), len(self.spec.features)), np.nan)
        seen = self.observations.seen
        for chosen, memory in self.by_day(rows, horizon_minutes):
            for some in pieces(len(chosen), PIECE_ROWS):
                at = chosen[some]
                inputs[at] = features(seen, rows[at], self.spec, memory, horizon_minutes)
        speed = self.observations.targets(rows, horizon_minutes)
        return Examples(inputs, self.observations.label(rows, speed), speed)

"""Historical profile: what is usual on a segment at a time of the week."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np

from ml.columns import Floats, Integers
from specs.ml import Measure
from specs.ml import Profile as ProfileSpec

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
MEASURES: tuple[Measure, ...] = ("speed_ratio", "congested_ratio", "speed_ratio_stddev")
"""Mean of speed over free flow, share of congested windows, spread of speed over free flow."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Usual values by segment and bucket of the week.

    ``by_segment`` is [measures, segments, buckets], from Monday midnight; ``level``
    [measures, segments + 1] is of any time, the last column of the network. ``network``
    [measures, buckets] answers for segments that are not in ``segment_ids``.
    """

    segment_ids: tuple[str, ...]
    by_segment: Floats
    network: Floats
    level: Floats

    @classmethod
    def unknown(cls, spec: ProfileSpec) -> Self:
        """A profile of nothing: every value is NaN."""
        buckets = 7 * 1440 // spec.bucket_minutes
        nothing = np.full((3, buckets), np.nan)
        return cls((), np.empty((3, 0, buckets)), nothing, nothing[:, :1])

    def at(
        self,
        measure: Measure,
        segment_ids: tuple[str, ...],
        segment: Integers,
        second_of_week: Integers,
    ) -> Floats:
        """Usual value [n] of the segments ``segment_ids[segment]`` at local times of the week."""
        place = MEASURES.index(measure)
        known = positions(self.segment_ids, segment_ids)[segment]
        bucket = second_of_week * self.network.shape[1] // WEEK_SECONDS
        usual: Floats = self.network[place, bucket]
        seen = known >= 0
        usual[seen] = self.by_segment[place, known[seen], bucket[seen]]
        return usual

    def level_of(self, measure: Measure, segment_ids: tuple[str, ...], segment: Integers) -> Floats:
        """Value [n] of the segments at any time; an unknown one has the network's."""
        known = positions(self.segment_ids, segment_ids)[segment]
        level: Floats = self.level[MEASURES.index(measure), known]  # -1 is the network's
        return level


@dataclass(frozen=True, eq=False)
class ProfileSums:
    """What a profile is made of: counts [segments, 7, buckets of a day] and sums beside them.

    ``sums`` is [3, segments, 7, buckets of a day]: of the speed ratio, of congested windows and of
    the squared ratio. Taking one day's sums away from the whole leaves that day out exactly.
    """

    segment_ids: tuple[str, ...]
    smoothing_rows: float
    counts: Floats
    sums: Floats

    @classmethod
    def of(  # noqa: PLR0913, PLR0917  (parallel columns of one table)
        cls,
        speed_ratio: Floats,
        congested: Floats,
        segment: Integers,
        second_of_week: Integers,
        segment_ids: tuple[str, ...],
        bucket_minutes: int,
        smoothing_rows: float,
    ) -> Self:
        """Add up rows.

        Args:
            speed_ratio: [n] speed over free-flow speed, no NaN.
            congested: [n] 1 where congested, else 0.
            segment: [n], positions in ``segment_ids``.
            second_of_week: [n], from Monday midnight in the segment's zone.
            segment_ids: one without a row gets the network's profile.
            bucket_minutes: length of a bucket.
            smoothing_rows: see `profile`.
        """
        per_day = 1440 // bucket_minutes
        shape = (len(segment_ids), 7, per_day)
        cell = segment * (7 * per_day) + second_of_week // (bucket_minutes * 60)
        size = int(np.prod(shape))

        def added(weights: Floats | None) -> Floats:
            return np.bincount(cell, weights, size).astype(np.float64).reshape(shape)

        sums = [added(speed_ratio), added(congested), added(speed_ratio**2)]
        return cls(segment_ids, smoothing_rows, added(None), np.stack(sums))

    def without(self, part: Self) -> Self:
        """These sums less those of some of their rows."""
        return replace(self, counts=self.counts - part.counts, sums=self.sums - part.sums)

    def profile(self) -> Profile:
        """Average the rows.

        A mean of few rows leans on a broader one, as if ``smoothing_rows`` rows more had that
        value: the segment's bucket of the week on its mean at that time of any day, shifted by
        what the day changes in the network; a time of day and the network's buckets likewise on
        what is broader.

        Raises:
            ValueError: there is no row.
        """
        if not self.counts.sum() > 0:
            raise ValueError("a profile of no rows")
        means = [self._means(sums) for sums in self.sums]
        by_segment, network = (np.stack(each) for each in zip(*means, strict=True))
        return Profile(
            segment_ids=self.segment_ids,
            by_segment=_with_spread(by_segment.reshape(3, len(self.segment_ids), -1)),
            network=_with_spread(network.reshape(3, -1)),
            level=_with_spread(np.stack([self._levels(sums) for sums in self.sums])),
        )

    def _levels(self, total: Floats) -> Floats:
        """Smoothed mean of each segment [segments + 1] at any time, and of the network."""
        count, sums = self.counts.sum(axis=(1, 2)), total.sum(axis=(1, 2))
        network = sums.sum() / count.sum()
        weight = count + self.smoothing_rows
        mixed = sums + self.smoothing_rows * network
        means = np.divide(mixed, weight, out=np.full(len(sums), network), where=weight > 0)
        return np.append(means, network)

    def _means(self, total: Floats) -> tuple[Floats, Floats]:
        """Smoothed means by segment [segments, 7, buckets] and of the network [1, 7, buckets]."""

        def smoothed(axes: tuple[int, ...], broader: Floats | float) -> Floats:
            count = self.counts.sum(axis=axes, keepdims=True)
            sums = total.sum(axis=axes, keepdims=True)
            weight = count + self.smoothing_rows
            mixed = sums + self.smoothing_rows * np.asarray(broader)
            fallback = np.broadcast_to(np.asarray(broader, dtype=np.float64), mixed.shape)
            means: Floats = np.divide(mixed, weight, out=fallback.copy(), where=weight > 0)
            return means

        network_day = smoothed((0, 1), float(total.sum() / self.counts.sum()))
        network_week = smoothed((0,), network_day)
        segment_day = smoothed((1,), network_day)
        return smoothed((), segment_day + network_week - network_day), network_week


def _with_spread(means: Floats) -> Floats:
    """Means [3, ...] with the mean square replaced by the standard deviation."""
    ratio, congested, square = means
    spread = np.sqrt(np.maximum(square - ratio**2, 0.0))
    return np.stack([ratio, np.clip(congested, 0.0, 1.0), spread])


@lru_cache(maxsize=8)
def positions(known: tuple[str, ...], asked: tuple[str, ...]) -> Integers:
    """Position in ``known`` of each id asked for, -1 where it is not there."""
    position = {segment_id: at for at, segment_id in enumerate(known)}
    return np.array([position.get(segment_id, -1) for segment_id in asked], dtype=np.int64)

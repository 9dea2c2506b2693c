"""Historical profile: what is usual on a segment at a time of the week."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ml.columns import Floats, Integers
from specs.ml import Profile as ProfileSpec

WEEK_SECONDS = 7 * 86_400


@dataclass(frozen=True, eq=False)
class Profile:
    """Usual value by segment and bucket of the week.

    ``by_segment`` is [segments, buckets], from Monday midnight; ``network`` [buckets] answers for
    segments that are not in ``segment_ids``.
    """

    segment_ids: tuple[str, ...]
    by_segment: Floats
    network: Floats

    def at(
        self, segment_ids: tuple[str, ...], segment: Integers, second_of_week: Integers
    ) -> Floats:
        """Usual value [n] of the segments ``segment_ids[segment]`` at local times of the week."""
        known = _positions(self.segment_ids, segment_ids)[segment]
        bucket = second_of_week * len(self.network) // WEEK_SECONDS
        usual: Floats = self.network[bucket]
        usual[known >= 0] = self.by_segment[known[known >= 0], bucket[known >= 0]]
        return usual


def fit_profile(
    values: Floats,
    segment: Integers,
    second_of_week: Integers,
    segment_ids: tuple[str, ...],
    spec: ProfileSpec,
) -> Profile:
    """Average ``values`` by segment and bucket of the week.

    A mean of few rows leans on a broader one, as if ``smoothing_rows`` rows more had that value:
    the segment's bucket of the week on its mean at that time of any day, shifted by what the day
    changes in the network; a time of day and the network's buckets likewise on what is broader.

    Args:
        values: [n], no NaN.
        segment: [n], positions in ``segment_ids``.
        second_of_week: [n], from Monday midnight in the segment's zone.
        segment_ids: one without a row gets the network's profile.
        spec: length of a bucket and the smoothing.

    Raises:
        ValueError: there is no row.
    """
    if not len(values):
        raise ValueError("a profile of no rows")
    days, per_day = 7, 1440 // spec.bucket_minutes
    shape = (len(segment_ids), days, per_day)
    cell = segment * (days * per_day) + second_of_week // (spec.bucket_minutes * 60)
    size = int(np.prod(shape))
    rows = np.bincount(cell, minlength=size).reshape(shape).astype(np.float64)
    total = np.bincount(cell, weights=values, minlength=size).reshape(shape)

    def smoothed(axes: tuple[int, ...], broader: Floats | float) -> Floats:
        count, sums = rows.sum(axis=axes, keepdims=True), total.sum(axis=axes, keepdims=True)
        weight = count + spec.smoothing_rows
        mixed = sums + spec.smoothing_rows * np.asarray(broader)
        fallback = np.broadcast_to(np.asarray(broader, dtype=np.float64), mixed.shape)
        means: Floats = np.divide(mixed, weight, out=fallback.copy(), where=weight > 0)
        return means

    network_day = smoothed((0, 1), float(values.mean()))
    network_week = smoothed((0,), network_day)
    segment_day = smoothed((1,), network_day)
    segment_week = smoothed((), segment_day + network_week - network_day)
    return Profile(
        segment_ids=segment_ids,
        by_segment=segment_week.reshape(len(segment_ids), -1),
        network=network_week.reshape(-1),
    )


@lru_cache(maxsize=8)
def _positions(known: tuple[str, ...], asked: tuple[str, ...]) -> Integers:
    """Position in ``known`` of each id asked for, -1 where it is not there."""
    position = {segment_id: at for at, segment_id in enumerate(known)}
    return np.array([position.get(segment_id, -1) for segment_id in asked], dtype=np.int64)

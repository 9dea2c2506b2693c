"""Percentiles from a histogram whose counts are plain sums.

Spark's percentile() keeps an object per window, which costs 65 us of CPU a window and batch; sums
of integers stay in Spark's compiled aggregation. Three counts of 21 bits share one 64-bit sum, so
one window may hold two million readings of one segment.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from specs.transforms import Histogram, Percentile

COUNTS_PER_SUM = 3
BITS = 21


def _sums(histogram: Histogram) -> int:
    return -(-histogram.bins // COUNTS_PER_SUM)


def count_columns(histogram: Histogram) -> list[str]:
    """Columns of the packed counts."""
    return [f"bins_{number}" for number in range(_sums(histogram))]


def packed_counts(histogram: Histogram) -> dict[str, str]:
    """Spark SQL aggregations, by column: each sum holds the counts of three neighbouring bins."""
    measure = histogram.measure
    place = f"least({measure} div {histogram.bin_width}, {histogram.bins - 1})"  # least skips nulls
    one = f"shiftleft(1L, CAST({BITS} * ({place} % {COUNTS_PER_SUM}) AS INT))"
    here = f"{measure} IS NOT NULL AND {place} div {COUNTS_PER_SUM}"
    return {
        name: f"sum(CASE WHEN {here} = {number} THEN {one} ELSE 0L END)"
        for number, name in enumerate(count_columns(histogram))
    }


def bin_counts(aggregates: pa.Table, histogram: Histogram) -> npt.NDArray[np.int64]:
    """Counts [rows, bins] from the packed sums."""
    mask = (1 << BITS) - 1
    counts = np.zeros((aggregates.num_rows, _sums(histogram) * COUNTS_PER_SUM), dtype=np.int64)
    for number, name in enumerate(count_columns(histogram)):
        packed = aggregates[name].to_numpy().astype(np.int64)
        for place in range(COUNTS_PER_SUM):
            counts[:, number * COUNTS_PER_SUM + place] = (packed >> (BITS * place)) & mask
    return counts[:, : histogram.bins]


def with_percentiles(
    aggregates: pa.Table, histogram: Histogram, percentiles: Sequence[Percentile]
) -> pa.Table:
    """Replace the packed counts by percentiles of the measure.

    Linear between the two values that a percentile falls between. The lowest and highest value are
    known; any other is known to its bin, whose values are taken to lie evenly in it.

    Args:
        aggregates: the packed counts, with the columns ``histogram.lowest`` and ``.highest``.
        histogram: the bins.
        percentiles: columns to add; null where the window has no observation.
    """
    counts = bin_counts(aggregates, histogram)
    total = counts.sum(axis=1)
    low, high = (
        aggregates[name].to_numpy().astype(np.float64)
        for name in (histogram.lowest, histogram.highest)
    )
    kept = [name for name in aggregates.column_names if not name.startswith("bins_")]
    made = aggregates.select(kept)

    def value_at(k: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        inner = np.clip(_sorted_value(counts, k, histogram), low, high)
        return np.where(k == 0, low, np.where(k == total - 1, high, inner))

    for percentile in percentiles:
        rank = percentile.quantile * (total - 1)  # of the sorted values, from 0
        below = np.floor(rank)
        lower, upper = value_at(below), value_at(np.minimum(below + 1, total - 1))
        value = lower + (rank - below) * (upper - lower)
        column = pa.array(value, pa.float64(), mask=total == 0)
        made = made.append_column(percentile.name, column)
    return made


def _sorted_value(
    counts: npt.NDArray[np.int64], k: npt.NDArray[np.float64], histogram: Histogram
) -> npt.NDArray[np.float64]:
    """Estimate of each row's ``k``-th smallest value, from 0."""
    cumulated, every = counts.cumsum(axis=1), np.arange(len(counts))
    place = np.minimum((cumulated <= k[:, None]).sum(axis=1), histogram.bins - 1)
    count = counts[every, place]
    before = cumulated[every, place] - count
    value: npt.NDArray[np.float64] = (
        place + (k - before + 0.5) / np.maximum(count, 1)
    ) * histogram.bin_width
    return value

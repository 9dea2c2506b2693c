"""Percentiles from counts: exact where they can be, else within a bin of the truth."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.transforms.histogram import bin_counts, packed_counts, with_percentiles
from specs.loader import load_specs
from specs.transforms import Histogram, Percentile
from tests.aggregates import packed

TENS = Histogram(measure="m", lowest="low", highest="high", bin_width=10, bins=4)
"""0 to 9, 10 to 19, 20 to 29, and 30 and above."""


def window(values: Sequence[int], histogram: Histogram = TENS) -> dict[str, int | None]:
    ends = {"low": min(values, default=None), "high": max(values, default=None)}
    return {"segment": 7, **ends, **packed(values, histogram)}


def aggregates(*windows: Mapping[str, int | None]) -> pa.Table:
    schema = pa.schema([(name, pa.int64()) for name in windows[0]])
    return pa.Table.from_pylist(list(windows), schema=schema)


def percentile(quantile: float, *values: int, histogram: Histogram = TENS) -> float:
    """NaN where there is no value."""
    asked = [Percentile(name="p", quantile=quantile)]
    made = with_percentiles(aggregates(window(values, histogram)), histogram, asked)
    found = made["p"][0].as_py()
    return math.nan if found is None else float(found)


def test_counts_come_back_from_their_sums() -> None:
    rows = aggregates(window([0, 9, 10, 25, 31, 3000]), window([]))
    assert bin_counts(rows, TENS).tolist() == [[2, 1, 1, 2], [0, 0, 0, 0]]


def test_two_million_readings_of_one_bin_do_not_spill_into_the_next() -> None:
    most = 2**21 - 1
    sums = {"bins_0": most | most << 21 | most << 42, "bins_1": most}
    assert bin_counts(aggregates(sums), TENS).tolist() == [[most] * 4]


def test_a_sum_holds_three_counts() -> None:
    assert list(packed_counts(TENS)) == ["bins_0", "bins_1"]
    shipped = load_specs().transforms.histogram
    assert list(packed_counts(shipped)) == [f"bins_{number}" for number in range(11)]


def test_a_single_value_is_every_percentile() -> None:
    assert [percentile(q, 17) for q in (0.01, 0.5, 0.99)] == [17, 17, 17]


def test_equal_values_are_every_percentile() -> None:
    assert [percentile(q, 17, 17, 17, 17) for q in (0.01, 0.5, 0.99)] == [17, 17, 17]


def test_between_two_values_a_percentile_is_linear() -> None:
    # The lowest and highest value are known, so two values are known exactly.
    assert percentile(0.15, 10, 30) == 13
    assert percentile(0.5, 11, 39) == 25


def test_inner_values_lie_evenly_in_their_bin() -> None:
    # The second and third of 1, x, y, 25 are taken for 12.5 and 17.5, the middles of halves.
    assert percentile(1 / 3, 1, 11, 12, 25) == pytest.approx(12.5)
    assert percentile(0.5, 1, 11, 12, 25) == pytest.approx(15)


def test_values_of_the_open_bin_stay_between_the_lowest_and_highest() -> None:
    assert percentile(0.5, 1, 300, 500) == 32.5  # the first of two, as if the bin ended at 40
    assert percentile(0.5, 400, 450, 500) == 400


def test_a_window_without_an_observation_has_no_percentile() -> None:
    assert math.isnan(percentile(0.5))


def test_the_packed_counts_make_way_for_the_percentiles() -> None:
    asked = [Percentile(name="a", quantile=0.5), Percentile(name="b", quantile=0.9)]
    made = with_percentiles(aggregates(window([1]), window([])), TENS, asked)
    assert made.column_names == ["segment", "low", "high", "a", "b"]


SPEEDS = load_specs().transforms.histogram
VALUES = st.lists(st.integers(0, SPEEDS.bin_width * SPEEDS.bins - 1), min_size=1, max_size=60)


@given(VALUES, st.floats(0.01, 0.99))
def test_a_percentile_is_within_a_bin_of_the_exact_one(values: list[int], quantile: float) -> None:
    histogram = SPEEDS.model_copy(update={"lowest": "low", "highest": "high"})
    found = percentile(quantile, *values, histogram=histogram)
    assert found == pytest.approx(np.quantile(values, quantile), abs=SPEEDS.bin_width)
    assert min(values) <= found <= max(values)


@given(VALUES, st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)).map(sorted))
def test_percentiles_rise_with_their_quantile(values: list[int], quantiles: list[float]) -> None:
    histogram = SPEEDS.model_copy(update={"lowest": "low", "highest": "high"})
    low, high = (percentile(q, *values, histogram=histogram) for q in quantiles)
    assert low <= high + 1e-6


def test_percentiles_stay_in_order_where_a_lonely_value_lies_between_bins() -> None:
    # 14 readings: the 15th percentile falls between the lone second value and the twelve above.
    values = [5, 15, *[25] * 12]
    p15, p50 = (percentile(q, *values) for q in (0.15, 0.5))
    assert p15 <= p50

import numpy as np
import pyarrow as pa

from quality.keys import key_hashes
from quality.sample import BATCH_COLUMN, SeededSample


def add(sample: SeededSample, values: list[int]) -> None:
    rows = pa.table({"k": pa.array(values, pa.int64())})
    sample.add(rows, key_hashes(rows, ["k"]))


def test_everything_is_kept_in_order_while_it_fits() -> None:
    sample = SeededSample(5, seed=7)
    add(sample, [3, 1])
    add(sample, [3, 2, 9])
    assert sample.rows().to_pydict() == {"k": [3, 1, 3, 2, 9], BATCH_COLUMN: [0, 0, 1, 1, 1]}


def test_a_sample_stays_within_its_size_and_counts_all_rows() -> None:
    sample = SeededSample(100, seed=7)
    for first in range(0, 5000, 1000):
        add(sample, list(range(first, first + 1000)))
        assert sample.rows().num_rows == 100
    assert sample.rows_seen == 5000
    per_batch = np.bincount(sample.rows()[BATCH_COLUMN].to_numpy(), minlength=5)
    # 100 of 5 equal batches: 20 each, with a standard deviation of 4.
    assert all(5 <= count <= 35 for count in per_batch)


def test_a_seed_fixes_the_sample() -> None:
    samples = [SeededSample(50, seed=seed) for seed in (7, 7, 8)]
    for sample in samples:
        add(sample, list(range(1000)))
    first, second, third = (sample.rows()["k"].to_pylist() for sample in samples)
    assert first == second != third


def test_rows_with_the_same_key_are_chosen_together() -> None:
    sample = SeededSample(101, seed=7)
    add(sample, [*range(1000), *range(1000)])
    counts = np.bincount(sample.rows()["k"].to_numpy())
    # 50 whole pairs; only the last place may be half of one.
    assert sorted(counts[counts > 0].tolist()) == [1, *[2] * 50]


def test_one_key_in_all_rows_does_not_break_the_bound() -> None:
    sample = SeededSample(10, seed=7)
    add(sample, [4] * 50)
    add(sample, [4] * 50)
    assert sample.rows().num_rows == 10


def test_a_cleared_sample_is_empty_and_numbers_batches_on() -> None:
    sample = SeededSample(10, seed=7)
    add(sample, [1])
    sample.clear()
    add(sample, [2])
    assert sample.rows_seen == 1
    assert sample.rows().to_pydict() == {"k": [2], BATCH_COLUMN: [1]}

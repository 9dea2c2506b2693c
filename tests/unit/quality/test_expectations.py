import numpy as np
import pyarrow as pa

from quality.expectations import broken_expectations
from quality.keys import duplicates, key_hashes
from specs.rules import MeanBetween, Unique

KEY = Unique(id="key_unique", kind="unique", columns=("topic", "offset"))
MEAN = MeanBetween(id="mean", kind="mean_between", column="v", min=1, max=160)


def keys(topics: list[str | None], offsets: list[int | None]) -> pa.Table:
    return pa.table({"topic": pa.array(topics), "offset": pa.array(offsets, pa.int64())})


def test_rows_that_share_their_whole_key_are_all_named() -> None:
    rows = keys(["a", "a", "b", "a", "b"], [1, 2, 1, 1, 9])
    (broken,) = broken_expectations(rows, [KEY])
    assert broken.id == "key_unique"
    assert broken.indices.tolist() == [0, 3]
    assert broken.reason == "2 rows share their key, first topic a, offset 1"


def test_a_null_in_a_key_equals_another_null_but_no_zero() -> None:
    assert broken_expectations(keys(["a", "a"], [None, 0]), [KEY]) == []
    (broken,) = broken_expectations(keys([None, None], [1, 1]), [KEY])
    assert broken.indices.tolist() == [0, 1]


def test_a_collision_of_hashes_is_no_duplicate() -> None:
    rows = keys(["a", "b"], [1, 1])
    assert duplicates(rows, ("topic", "offset"), np.zeros(2, dtype=np.uint64)).tolist() == []


def test_hashes_tell_which_column_a_value_stands_in() -> None:
    rows = pa.table({"x": pa.array([1, 2]), "y": pa.array([2, 1])})
    hashes = key_hashes(rows, ("x", "y"))
    assert hashes[0] != hashes[1]


def test_the_mean_includes_its_bounds() -> None:
    assert broken_expectations(pa.table({"v": [0.5, 1.5]}), [MEAN]) == []
    (broken,) = broken_expectations(pa.table({"v": [0.4, 1.5, None]}), [MEAN])
    assert broken.reason == "mean v of 2 values is 0.95, outside 1 to 160"
    assert broken.indices.tolist() == []


def test_the_mean_of_no_value_passes_and_of_nan_does_not() -> None:
    assert broken_expectations(pa.table({"v": pa.array([None], pa.float64())}), [MEAN]) == []
    assert len(broken_expectations(pa.table({"v": [50.0, float("nan")]}), [MEAN])) == 1


def test_the_mean_of_fewer_than_min_rows_says_nothing() -> None:
    patient = MEAN.model_copy(update={"min_rows": 3})
    assert broken_expectations(pa.table({"v": [0.2, 0.2, None]}), [patient]) == []
    assert len(broken_expectations(pa.table({"v": [0.2, 0.2, 0.2]}), [patient])) == 1

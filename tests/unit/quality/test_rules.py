from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from quality.rules import REASON_MAX_CHARACTERS, verdicts
from specs.errors import SpecError
from specs.rules import RowRule

NAN, INFINITY = float("nan"), float("inf")
TIMESTAMP = pa.timestamp("us", tz="UTC")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INT64_MAX = 2**63 - 1


def rule(**fields: Any) -> RowRule:
    return TypeAdapter(RowRule).validate_python({"id": "it", **fields})


def accepted(rows: dict[str, pa.Array], **fields: Any) -> list[bool]:
    return verdicts(pa.table(rows), [rule(**fields)]).accepted.to_pylist()


def test_between_includes_its_bounds_passes_null_and_fails_nan() -> None:
    speeds = pa.array([0.1, 250.0, 0.09, 250.1, None, NAN, INFINITY, -INFINITY])
    judged = accepted({"v": speeds}, kind="between", column="v", min=0.1, max=250)
    assert judged == [True, True, False, False, True, False, False, False]


def test_between_with_one_bound_fails_nan_and_passes_infinity_on_the_open_side() -> None:
    judged = accepted({"v": pa.array([INFINITY, NAN, 0.0])}, kind="between", column="v", min=1)
    assert judged == [True, False, False]


def test_between_judges_integers_past_two_to_the_53rd() -> None:
    counts = pa.array([2**53 + 1, 100_000, 100_001, -1, None])
    judged = accepted({"n": counts}, kind="between", column="n", min=0, max=100_000)
    assert judged == [False, True, False, False, True]


def test_fractional_bounds_on_integers_round_inwards() -> None:
    judged = accepted({"n": pa.array([0, 1, 2, 3])}, kind="between", column="n", min=0.5, max=2.5)
    assert judged == [False, True, True, False]


def test_bounds_beyond_the_integer_type_admit_all_of_it() -> None:
    numbers = pa.array([-(2**31), 2**31 - 1], pa.int32())
    assert accepted({"n": numbers}, kind="between", column="n", min=-1e12, max=1e12) == [True, True]


def test_length_counts_characters_not_bytes_and_fails_null() -> None:
    texts = pa.array(["é" * 3, "é" * 4, "", None, "👍👍👍"])
    judged = accepted({"s": texts}, kind="length", column="s", min=1, max=3)
    assert judged == [True, False, False, False, True]


def test_not_null_with_when_looks_only_at_the_rows_selected() -> None:
    rows = {
        "status": pa.array(["ok", "ok", "missing", None]),
        "speed": pa.array([None, NAN, None, None], pa.float64()),
    }
    when = {"column": "status", "equals": "ok"}
    judged = accepted(rows, kind="not_null", column="speed", when=when)
    assert judged == [False, True, True, True]


def test_is_true_fails_null() -> None:
    assert accepted({"b": pa.array([True, False, None])}, kind="is_true", column="b") == [
        True,
        False,
        False,
    ]


def test_in_set_passes_null_and_tells_case_apart() -> None:
    judged = accepted(
        {"s": pa.array(["ok", "OK", "", None])}, kind="in_set", column="s", values=("ok", "missing")
    )
    assert judged == [True, False, False, True]


def test_not_after_allows_exactly_plus_seconds() -> None:
    rows = {
        "a": pa.array([300_000_000, 300_000_001, None, 5], TIMESTAMP),
        "b": pa.array([0, 0, 0, None], TIMESTAMP),
    }
    judged = accepted(rows, kind="not_after", column="a", than="b", plus_seconds=300)
    assert judged == [True, False, True, True]


def test_not_after_does_not_wrap_at_the_end_of_time() -> None:
    rows = {"a": pa.array([INT64_MAX], TIMESTAMP), "b": pa.array([INT64_MAX - 1], TIMESTAMP)}
    assert accepted(rows, kind="not_after", column="a", than="b", plus_seconds=300) == [True]


def test_not_before_and_not_greater_pass_null_and_fail_nan() -> None:
    times = {"a": pa.array([9, 10, None], TIMESTAMP), "b": pa.array([10, 10, 10], TIMESTAMP)}
    assert accepted(times, kind="not_before", column="a", than="b") == [False, True, True]
    numbers = {"a": pa.array([1.0, 2.0, NAN, 1.0, None]), "b": pa.array([1.0, 1.0, 1.0, NAN, 1.0])}
    assert accepted(numbers, kind="not_greater", column="a", than="b") == [
        True,
        False,
        False,
        False,
        True,
    ]


def test_columns_of_two_types_are_a_fault_of_the_spec() -> None:
    rows = pa.table({"a": pa.array([1], pa.int64()), "b": pa.array([1.0])})
    with pytest.raises(SpecError, match="a is int64 and b is double"):
        verdicts(rows, [rule(kind="not_greater", column="a", than="b")])


def test_a_row_that_breaks_two_rules_tells_both_and_the_others_cost_nothing() -> None:
    rows = pa.table({"v": pa.array([50.0, 999.0, 60.0]), "s": pa.array(["ok", "eh", "ok"])})
    found = verdicts(
        rows,
        [
            rule(id="speed", kind="between", column="v", min=0.1, max=250),
            rule(id="status", kind="in_set", column="s", values=("ok",), reason="no such status"),
        ],
    )
    (rejection,) = found.rejections()
    assert rejection.index == 1
    assert rejection.rule_ids == ("speed", "status")
    assert rejection.reason == "v is 999.0, outside 0.1 to 250; no such status (s 'eh')"
    assert found.rows.take(found.rejected_indices).to_pylist() == [{"v": 999.0, "s": "eh"}]
    assert found.accepted_rows().column("v").to_pylist() == [50.0, 60.0]


def test_a_clean_batch_is_handed_on_as_it_is() -> None:
    rows = pa.table({"v": pa.array([1.0])})
    found = verdicts(rows, [rule(kind="between", column="v", min=0)])
    assert found.accepted_rows() is rows
    assert found.rejections() == []
    assert len(found.rejected_indices) == 0


def test_no_row_breaks_no_rule() -> None:
    found = verdicts(
        pa.table({"v": pa.array([], pa.float64())}), [rule(kind="between", column="v", min=0)]
    )
    assert found.accepted.to_pylist() == []
    assert found.accepted_rows().num_rows == 0


@pytest.mark.parametrize(
    ("fields", "value", "reason"),
    [
        ({"kind": "not_null"}, pa.array([None], pa.string()), "c is missing"),
        ({"kind": "is_true"}, pa.array([False]), "c is not true"),
        ({"kind": "between", "max": 3}, pa.array([4]), "c is 4, above 3"),
        ({"kind": "between", "min": 3}, pa.array([2]), "c is 2, below 3"),
        (
            {"kind": "length", "min": 1, "max": 2},
            pa.array(["a\nb"]),
            "c is 'a\\nb', not a text of 1 to 2 characters",
        ),
        (
            {"kind": "length", "min": 1, "max": 2},
            pa.array([None], pa.string()),
            "c is missing, not a text of 1 to 2 characters",
        ),
        ({"kind": "in_set", "values": (1, 2)}, pa.array([3]), "c is 3, not one of 1, 2"),
        ({"kind": "not_greater", "than": "d"}, pa.array([2]), "c is 2, more than d 1"),
        (
            {"kind": "not_greater", "than": "d", "reason": "a {brace}"},
            pa.array([2]),
            "a {brace} (c 2, d 1)",
        ),
    ],
)
def test_reasons_name_the_value(fields: dict[str, Any], value: pa.Array, reason: str) -> None:
    rows = pa.table({"c": value, "d": pa.array([1])})
    (rejection,) = verdicts(rows, [rule(column="c", **fields)]).rejections()
    assert rejection.reason == reason


def test_reasons_on_times_hold_beyond_pythons_last_year() -> None:
    rows = pa.table({"a": pa.array([INT64_MAX], TIMESTAMP), "b": pa.array([NOON], TIMESTAMP)})
    late = rule(kind="not_after", column="a", than="b", plus_seconds=300)
    (rejection,) = verdicts(rows, [late]).rejections()
    assert rejection.reason.endswith("after b 2026-03-01 12:00:00.000000Z by more than 300 s")


def test_a_reason_is_of_bounded_length_whatever_the_value() -> None:
    rows = pa.table({"s": pa.array(["x" * 60_000])})
    rules = [rule(id=f"r{i}", kind="length", column="s", min=1, max=2) for i in range(100)]
    (rejection,) = verdicts(rows, rules).rejections()
    assert len(rejection.rule_ids) == 100
    assert len(rejection.reason) == REASON_MAX_CHARACTERS


def test_chunked_columns_are_judged_like_whole_ones() -> None:
    rows = pa.table({"v": pa.chunked_array([[1.0, 999.0], [], [999.0, 2.0]])})
    found = verdicts(rows, [rule(kind="between", column="v", max=250)])
    assert found.accepted.to_pylist() == [True, False, False, True]
    assert [rejection.index for rejection in found.rejections()] == [1, 2]

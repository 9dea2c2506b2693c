import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from quality.gate import Gate
from quality.refusal import BatchRefused
from quality.rules import Verdicts, verdicts
from quality.suites import RULE_ID, suite_of
from specs.arrow import arrow_schema
from specs.errors import GateFailed, SpecError, WrongInput
from specs.loader import Specs, load_specs
from specs.ops import GatePolicy
from specs.rules import RowRule
from specs.tables import TableSpec

TABLES = load_specs().tables
POLICY = GatePolicy(
    min_interval_seconds={"bronze": 5.0, "silver": 5.0, "gold": 5.0}, sample_rows=100, sample_seed=7
)
SPEED = TableSpec.model_validate(
    {
        "table": "silver.speed",
        "description": "A speed a key.",
        "key": ["k"],
        "columns": [
            {"name": "k", "type": "long", "description": "Key."},
            {"name": "speed_kmh", "type": "double", "unit": "km/h", "description": "Speed."},
            {"name": "note", "type": "string", "description": "Read by no rule."},
        ],
        "rules": [
            {"id": "in_range", "kind": "between", "column": "speed_kmh", "min": 0.1, "max": 250}
        ],
        "expectations": [
            {"id": "key_unique", "kind": "unique", "columns": ["k"]},
            {
                "id": "mean_plausible", "kind": "mean_between", "column": "speed_kmh",
                "min": 1, "max": 160,
            },
        ],
    }
)  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def speeds(*values: float | None, first_key: int = 0) -> pa.Table:
    keys = range(first_key, first_key + len(values))
    columns = {"k": list(keys), "speed_kmh": list(values), "note": ["n"] * len(values)}
    return pa.table(columns, schema=arrow_schema(SPEED))


def gate(clock: Clock | None = None, **more: Any) -> Gate:
    return Gate(SPEED, POLICY, "abc", clock or Clock(), **more)


def refusal(of: Gate, rows: pa.Table) -> BatchRefused:
    with pytest.raises(GateFailed) as caught:
        of.check(rows)
    assert isinstance(caught.value, BatchRefused)
    return caught.value


def test_great_expectations_looks_at_most_once_an_interval_and_at_all_that_passed() -> None:
    clock = Clock()
    watched = gate(clock)
    first = watched.check(speeds(50.0))
    assert first is not None
    assert (first.row_count, first.sample_count, first.is_success) == (1, 1, True)
    clock.seconds += 4.9
    assert watched.check(speeds(50.0, 51.0)) is None
    clock.seconds += 0.1
    second = watched.check(speeds(52.0, 53.0, 54.0))
    assert second is not None
    assert (second.row_count, second.sample_count) == (5, 5)
    assert second.run_id != first.run_id


def test_always_makes_great_expectations_look_before_its_time() -> None:
    clock = Clock()
    watched = gate(clock)
    watched.check(speeds(50.0))
    forced = watched.check(speeds(50.0, 60.0), always=True)
    assert forced is not None
    assert forced.row_count == 2


def test_above_sample_rows_the_result_says_that_it_is_a_sample() -> None:
    result = gate().check(speeds(*[50.0] * 250))
    assert result is not None
    assert (result.row_count, result.sample_count) == (250, 100)


def test_a_row_that_breaks_a_rule_refuses_the_batch_and_is_carried() -> None:
    clock = Clock()
    watched = gate(clock)
    watched.check(speeds(50.0))
    refused = refusal(watched, speeds(50.0, 999.0, None, 0.0))
    assert refused.failing_rows.to_pylist() == [
        {
            "k": 1, "speed_kmh": 999.0, "note": "n", "rule_ids": ["in_range"],
            "reason": "speed_kmh is 999.0, outside 0.1 to 250",
        },
        {
            "k": 3, "speed_kmh": 0.0, "note": "n", "rule_ids": ["in_range", ],
            "reason": "speed_kmh is 0.0, outside 0.1 to 250",
        },
    ]  # fmt: skip
    assert refused.result.failed_ids == ("in_range", "mean_plausible")
    assert not refused.result.is_success
    assert '"unexpected_count": 2' in refused.result.details
    assert str(refused).startswith("silver.speed: in_range, mean_plausible failed (2 of 4 rows;")
    assert "row 1: speed_kmh is 999.0, outside 0.1 to 250" in str(refused)
    assert "mean speed_kmh of 3 values is 349.667, outside 1 to 160" in str(refused)
    assert refused.result.run_id in str(refused)


def test_a_refused_batch_does_not_count_as_passed() -> None:
    watched = gate()
    refusal(watched, speeds(50.0, 999.0))
    result = watched.check(speeds(50.0))
    assert result is not None
    assert result.row_count == 1


def test_a_key_twice_in_a_batch_refuses_it_and_in_a_later_batch_does_not() -> None:
    clock = Clock()
    watched = gate(clock)
    watched.check(speeds(50.0, 60.0))
    watched.check(speeds(50.0, 60.0))
    clock.seconds += 5
    result = watched.check(speeds(51.0, 61.0))
    assert result is not None
    assert result.row_count == 4
    doubled = pa.concat_tables([speeds(50.0, 60.0), speeds(70.0, first_key=1)])
    refused = refusal(watched, doubled)
    assert refused.result.failed_ids == ("key_unique",)
    assert refused.failing_rows["speed_kmh"].to_pylist() == [60.0, 70.0]


def test_an_implausible_mean_refuses_a_batch_of_sound_rows() -> None:
    refused = refusal(gate(), speeds(200.0, 210.0))
    assert refused.result.failed_ids == ("mean_plausible",)
    assert refused.failing_rows.num_rows == 0
    assert "mean speed_kmh of 2 values is 205, outside 1 to 160" in str(refused)


def passes_all(rows: pa.Table, rules: Sequence[RowRule]) -> Verdicts:
    return Verdicts(rows, ())


def fails_first(rows: pa.Table, rules: Sequence[RowRule]) -> Verdicts:
    mask = pa.chunked_array([[False] + [True] * (rows.num_rows - 1)])
    return Verdicts(rows, ((rules[0], mask),))


def test_a_compiled_form_that_is_too_lenient_is_found_out() -> None:
    refused = refusal(gate(judge=passes_all), speeds(50.0, 251.0))
    assert "disagree on in_range (1 rows; row 1: in_range by Great Expectations)" in str(refused)
    assert refused.failing_rows.to_pydict()["speed_kmh"] == [251.0]
    assert refused.result.failed_ids == ("in_range",)


def test_a_compiled_form_that_is_too_strict_is_found_out() -> None:
    refused = refusal(gate(judge=fails_first), speeds(50.0, 60.0))
    assert "disagree on in_range" in str(refused)
    assert refused.result.failed_ids == ("in_range",)


def test_forms_that_fail_the_same_rule_on_other_rows_disagree() -> None:
    refused = refusal(gate(judge=fails_first), speeds(50.0, 251.0))
    assert "disagree on in_range (2 rows" in str(refused)


def test_a_refusal_of_a_batch_larger_than_the_sample_is_confirmed_on_the_rows_at_fault() -> None:
    rows = speeds(*[50.0] * 300, 999.0)
    refused = refusal(gate(), rows)
    assert "disagree" not in str(refused)
    assert (refused.result.row_count, refused.result.sample_count) == (301, 100)
    assert '"unexpected_count": 1' in refused.result.details


def test_no_row_needs_no_decision() -> None:
    assert gate().check(speeds(), always=True) is None


def test_an_integer_where_the_spec_has_a_double_is_refused() -> None:
    rows = pa.table({"k": [1], "speed_kmh": [50], "note": ["n"]})
    with pytest.raises(WrongInput, match=r"silver\.speed needs columns speed_kmh double"):
        gate().check(rows)
    with pytest.raises(WrongInput, match="needs columns k int64"):
        gate().check(rows.drop_columns(["k"]).cast(arrow_schema(SPEED).remove(0)))


def test_a_layer_without_an_interval_has_no_gate(specs: Specs) -> None:
    with pytest.raises(SpecError, match=r"gates\.min_interval_seconds lacks ops"):
        Gate(specs.tables["ops.ledger"], POLICY, "abc", Clock())


def test_a_result_is_a_row_of_the_validation_table(specs: Specs) -> None:
    result = gate().check(speeds(50.0))
    assert result is not None
    table = specs.tables["ops.validation_result"]
    row = result.row(datetime(2026, 3, 1, tzinfo=UTC))
    rows = pa.Table.from_pylist([row], schema=arrow_schema(table))
    assert verdicts(rows, table.rules).broken == ()
    assert rows["table_name"].to_pylist() == ["silver.speed"]
    assert rows["spec_version"].to_pylist() == ["abc"]
    assert rows.select(["run_id", "details"]).to_pylist() == [
        {"run_id": result.run_id, "details": result.details}
    ]


def test_the_gate_counts_its_cpu_time_but_for_the_warm_up() -> None:
    watched = gate()
    watched.warm_up()
    assert watched.cpu_seconds == 0
    result = watched.check(speeds(50.0))
    assert result is not None
    assert 0 < watched.cpu_by_form["compiled"] < watched.cpu_by_form["great_expectations"]
    assert result.duration_s == pytest.approx(watched.cpu_seconds)


def test_a_warmed_up_gate_still_looks_at_the_first_batch() -> None:
    watched = gate()
    watched.warm_up()
    result = watched.check(speeds(50.0))
    assert result is not None
    assert result.row_count == 1


def test_threads_share_a_gate() -> None:
    clock = Clock()
    watched = gate(clock)
    watched.check(speeds(50.0))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: watched.check(speeds(50.0, 60.0)), range(40)))
    clock.seconds += 5
    result = watched.check(speeds(50.0))
    assert result is not None
    assert (result.row_count, result.sample_count) == (81, 81)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_suite_has_each_rule_of_its_spec_at_100_percent(name: str) -> None:
    table = TABLES[name]
    expectations = suite_of(table).expectations
    ids = {expectation.meta[RULE_ID] for expectation in expectations}
    assert ids == {rule.id for rule in (*table.rules, *table.expectations)}
    assert {getattr(expectation, "mostly", 1) for expectation in expectations} <= {1}


def test_importing_the_gate_does_not_import_great_expectations() -> None:
    code = "import sys, quality.gate; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

from functools import cache

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from quality.authority import Authority
from quality.expectations import broken_expectations
from quality.refusal import Faults, disputed_ids
from quality.rules import verdicts
from quality.sample import BATCH_COLUMN
from specs.loader import load_specs
from specs.tables import TableSpec
from tests.unit.quality.tables import tables_of

ROWS = 40  # a validation costs 0.2 s whatever its rows, so many rows in few validations
TABLES = load_specs().tables

EVERY_KIND = TableSpec.model_validate(
    {
        "table": "silver.every_kind",
        "description": "Each kind of rule in each of its variants.",
        "key": ["k"],
        "columns": [
            {"name": name, "type": kind, "description": "Any."}
            for name, kind in {
                "k": "string", "n": "integer", "word": "string", "wide": "long", "wider": "long",
                "small": "integer", "x": "double", "y": "double", "flag": "boolean",
                "early": "timestamp", "late": "timestamp", "code": "long", "raw": "binary",
            }.items()
        ],
        "rules": [
            {"id": "raw_present", "kind": "not_null", "column": "raw"},
            {"id": "x_present", "kind": "not_null", "column": "x"},
            {
                "id": "x_where_quoted", "kind": "not_null", "column": "x",
                "when": {"column": "word", "equals": "it's \"ok\""},
            },
            {"id": "flag_true", "kind": "is_true", "column": "flag"},
            {"id": "x_from", "kind": "between", "column": "x", "min": 0.1},
            {"id": "x_to", "kind": "between", "column": "x", "max": 250},
            {"id": "x_within", "kind": "between", "column": "x", "min": -0.5, "max": 1e300},
            {"id": "wide_within", "kind": "between", "column": "wide", "min": 0.5, "max": 1e6},
            {"id": "small_from", "kind": "between", "column": "small", "min": 1},
            {"id": "small_any", "kind": "between", "column": "small", "min": -1e12, "max": 1e12},
            {"id": "word_length", "kind": "length", "column": "word", "min": 1, "max": 128},
            {"id": "word_empty", "kind": "length", "column": "word", "min": 0, "max": 2},
            {"id": "word_known", "kind": "in_set", "column": "word", "values": ["ok", "é", ""]},
            {"id": "code_known", "kind": "in_set", "column": "code", "values": [1, 2]},
            {"id": "small_known", "kind": "in_set", "column": "small", "values": [1, 2]},
            {"id": "in_order", "kind": "not_after", "column": "early", "than": "late"},
            {
                "id": "in_order_later", "kind": "not_after", "column": "early", "than": "late",
                "plus_seconds": 300,
            },
            {
                "id": "in_order_sooner", "kind": "not_after", "column": "early", "than": "late",
                "plus_seconds": -60,
            },
            {"id": "late_is_late", "kind": "not_before", "column": "late", "than": "early"},
            {"id": "numbers_in_order", "kind": "not_greater", "column": "x", "than": "y"},
            {"id": "longs_in_order", "kind": "not_greater", "column": "wide", "than": "wider"},
        ],
        "expectations": [
            {"id": "unique_one", "kind": "unique", "columns": ["k"]},
            {"id": "unique_two", "kind": "unique", "columns": ["word", "small"]},
            {"id": "unique_times", "kind": "unique", "columns": ["early", "flag", "raw"]},
            {"id": "mean_x", "kind": "mean_between", "column": "x", "min": 1, "max": 160},
            {"id": "mean_small", "kind": "mean_between", "column": "small", "min": 1, "max": 160},
            {
                "id": "mean_of_many", "kind": "mean_between", "column": "y", "min": 1, "max": 160,
                "min_rows": 30,
            },
        ],
    }
)  # fmt: skip


@cache
def authority(name: str) -> Authority:
    return Authority(EVERY_KIND if name == EVERY_KIND.table else TABLES[name])


def compiled(rows: pa.Table, table: TableSpec) -> Faults:
    within_batches = [
        rule.model_copy(update={"columns": (BATCH_COLUMN, *rule.columns)})
        if rule.kind == "unique"
        else rule
        for rule in table.expectations
    ]
    broken = broken_expectations(rows, within_batches)
    return Faults(rows, verdicts(rows, table.rules), tuple(broken))


@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # shrinking validates some hundred times
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(rows=tables_of(EVERY_KIND, ROWS))
def test_both_forms_of_every_kind_fail_the_same_rows(rows: pa.Table) -> None:
    own = compiled(rows, EVERY_KIND)
    findings = authority(EVERY_KIND.table).validate(rows, with_rows=True)
    assert own.rows_by_id() == findings.failed
    assert disputed_ids(own, findings.failed) == set()


@pytest.mark.parametrize("name", sorted(TABLES))
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # shrinking validates some hundred times
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_both_forms_of_every_shipped_spec_fail_the_same_rows(
    name: str, data: st.DataObject
) -> None:
    rows = data.draw(tables_of(TABLES[name], ROWS))
    findings = authority(name).validate(rows, with_rows=True)
    assert compiled(rows, TABLES[name]).rows_by_id() == findings.failed

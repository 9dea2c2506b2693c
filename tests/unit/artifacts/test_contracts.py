"""Data contracts: valid by the standard's own schema, true of the tables, in both directions."""

import json
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pyarrow as pa
import pytest
import yaml

from lakehouse.artifacts import ROOT
from lakehouse.sql import select
from quality.rules import verdicts
from specs.arrow import arrow_schema
from specs.contract import API_VERSION
from specs.loader import Specs, load_specs
from tests.made_cases import cases, rows_of

STANDARD = jsonschema_rs.validator_for(
    json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text()),
    validate_formats=True,
)
CONTRACTS = {
    path.name.removesuffix(".odcs.yaml"): yaml.safe_load(path.read_text())
    for path in (ROOT / "contracts").glob("*.odcs.yaml")
}
SPECS = load_specs()
STORED = [name for name in sorted(SPECS.tables) if cases(f"rows/{name}.json")]


def test_every_layer_and_every_topic_has_a_contract() -> None:
    assert set(CONTRACTS) == {"bronze", "silver", "gold", "ops", *SPECS.topics}


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_a_contract_is_valid_by_the_standards_schema(name: str) -> None:
    contract = CONTRACTS[name]
    assert contract["apiVersion"] == API_VERSION
    assert [error.message for error in STANDARD.iter_errors(contract)] == []


def test_the_standards_schema_refuses_a_misspelt_key() -> None:
    wrong = CONTRACTS["gold"] | {"schema": [CONTRACTS["gold"]["schema"][0] | {"qualityy": []}]}
    assert not STANDARD.is_valid(wrong)
    assert not STANDARD.is_valid(CONTRACTS["gold"] | {"slaProperty": []})


def objects(layer: str) -> dict[str, dict[str, Any]]:
    return {one["physicalName"]: one for one in CONTRACTS[layer]["schema"]}


def test_contracts_have_every_column_with_its_type_and_key(specs: Specs) -> None:
    for name, table in specs.tables.items():
        columns = objects(table.layer)[name]["properties"]
        assert [one["name"] for one in columns] == list(table.column_names)
        keys = {one["name"]: one["primaryKeyPosition"] for one in columns if "primaryKey" in one}
        assert keys == {name: place for place, name in enumerate(table.key, 1)}
        nullable = {column.name for column in table.columns if column.nullable}
        assert {one["name"] for one in columns if not one["required"]} == nullable
    for name in specs.views:
        assert name in objects(name.split(".")[0])


def test_every_rule_is_a_check_of_the_contract(specs: Specs) -> None:
    for name, table in specs.tables.items():
        rules = [rule.id for rule in (*table.rules, *table.expectations)]
        checks = objects(table.layer)[name].get("quality", [])
        assert [check["id"] for check in checks] == rules, name


@pytest.mark.parametrize("name", STORED)
def test_a_contracts_queries_count_the_rows_that_the_rules_refuse(name: str) -> None:
    """On the boundary rows of each rule. NaN is left out: engines order it differently."""
    table = SPECS.tables[name]
    layer = objects(table.layer)[name]
    queries = {one["id"]: one["query"] for one in layer["quality"] if one["type"] == "sql"}
    assert queries
    for rule in table.rules:
        if rule.id not in queries:
            assert set(rule.columns_used) - set(table.column_names), "a text though it could be SQL"
            continue
        rows = rows_of([
            case["row"] for case in cases(f"rows/{name}.json")
            if case["rule"] == rule.id and "NaN" not in case["row"].values()
        ], arrow_schema(table))  # fmt: skip
        refused = len(verdicts(rows, [rule]).rejected_indices)
        assert refused > 0, rule.id
        query = queries[rule.id].replace(f"FROM {name} ", "FROM rows ")
        assert select(query, rows=rows).column(0).to_pylist() == [refused], rule.id


def consumed(columns: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["logicalType"] for one in columns}


LOGICAL = {
    pa.string(): "string", pa.binary(): "string", pa.int32(): "integer", pa.int64(): "integer",
    pa.float64(): "number", pa.bool_(): "boolean", pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamp",
}  # fmt: skip


@pytest.mark.parametrize("consumer", sorted(SPECS.access))
def test_whoever_may_read_a_layer_is_named_by_its_contract(consumer: str, specs: Specs) -> None:
    allowed = {
        layer for layer in ("bronze", "silver", "gold", "ops")
        if consumer in {role["role"] for role in CONTRACTS[layer]["roles"]}
    }  # fmt: skip
    assert allowed == set(specs.access[consumer].schemas)


def test_the_columns_that_the_consumers_read_are_promised_to_them(specs: Specs) -> None:
    """What views, features and the label read of a layer, its contract holds with that type."""
    gold, silver = objects("gold"), objects("silver")
    metric = consumed(silver["silver.segment_metric"]["properties"])
    assert metric[specs.ml.label.column] == "number"
    road = consumed(silver["silver.road_segment"]["properties"])
    assert road[specs.ml.label.reference] == "number"
    for name in ("gold.congestion_scores", "gold.network_kpi"):
        promised = consumed(gold[name]["properties"])
        for field in arrow_schema(specs.tables[name]):
            assert promised[field.name] == LOGICAL[field.type]

"""What contracts and bindings say of the tables, asked of the real Trino."""

from pathlib import Path

import pytest
import yaml

from lakehouse.artifacts import DATASETS, ROOT
from lakehouse.trino.client import Client

CONTRACTS = {
    layer: yaml.safe_load((ROOT / "contracts" / f"{layer}.odcs.yaml").read_text())
    for layer in ("bronze", "silver", "gold", "ops")
}
TYPES = {
    "string": {"varchar"}, "binary": {"varbinary"}, "i32": {"integer"}, "i64": {"bigint"},
    "number": {"double"}, "boolean": {"boolean"}, "date": {"date"},
    "timestamp": {"timestamp(3) with time zone", "timestamp(6) with time zone"},
}  # fmt: skip
"""Trino's types of a contract's scalar: by its format where that tells more than its type."""


def columns(client: Client, name: str) -> dict[str, str]:
    schema, table = name.split(".")
    return dict(client.rows(
        "SELECT column_name, data_type FROM information_schema.columns"
        f" WHERE table_schema = '{schema}' AND table_name = '{table}'"
    ))  # fmt: skip


@pytest.mark.parametrize("layer", CONTRACTS)
def test_the_tables_keep_every_check_of_their_contract(layer: str, client: Client) -> None:
    asked = 0
    for one in CONTRACTS[layer]["schema"]:
        for check in one.get("quality", []):
            if check["type"] == "sql":
                assert client.rows(check["query"]) == [[check["mustBe"]]], check["id"]
                asked += 1
            if check["type"] == "library":
                keys = ", ".join(f'"{name}"' for name in check["arguments"]["properties"])
                doubled = (
                    f"SELECT count(*) FROM (SELECT 1 FROM {one['physicalName']}"
                    f" GROUP BY {keys} HAVING count(*) > 1)"
                )
                assert client.rows(doubled) == [[check["mustBe"]]], check["id"]
                asked += 1
    assert asked > 0


@pytest.mark.parametrize("layer", CONTRACTS)
def test_the_tables_have_the_columns_that_their_contract_promises(
    layer: str, client: Client
) -> None:
    for one in CONTRACTS[layer]["schema"]:
        found = columns(client, one["physicalName"])
        assert set(found) == {column["name"] for column in one["properties"]}
        for column in one["properties"]:
            form = column.get("logicalTypeOptions", {}).get("format")
            allowed = TYPES.get(form) or TYPES.get(column["logicalType"])
            if allowed is not None:  # arrays and maps are told apart by their name alone
                assert found[column["name"]] in allowed, (one["physicalName"], column["name"])


@pytest.mark.parametrize("path", sorted((ROOT / DATASETS).rglob("*.yaml")), ids=lambda p: p.stem)
def test_supersets_columns_have_trinos_types(path: Path, client: Client) -> None:
    dataset = yaml.safe_load(path.read_text())
    found = columns(client, f"{dataset['schema']}.{dataset['table_name']}")
    bound = {column["column_name"]: column["type"].lower() for column in dataset["columns"]}
    assert bound == found

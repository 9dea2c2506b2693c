"""Secrets in docker-compose.yaml: none in a file, each with whom it is for and nobody else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lakehouse.artifacts import ROOT
from lakehouse.bucket_grants import ARTIFACTS
from lakehouse.bucket_grants import users as bucket_users
from lakehouse.deploy.buckets import OWNER, secret_variable
from lakehouse.deploy.kafka import HOSTS, KEY
from lakehouse.deploy.secrets import EXAMPLE, SECRETS, wanted
from lakehouse.deploy.trino import DOOR, HOST, PORT
from lakehouse.kafka_grants import users as kafka_users
from specs.loader import Specs
from tests.compose import COMPOSE, ask_compose, environment, raw


@pytest.mark.parametrize("name", wanted((ROOT / EXAMPLE).read_text()))
def test_a_missing_secret_stops_compose_and_is_named(
    name: str, secrets: Path, tmp_path: Path
) -> None:
    kept = [line for line in secrets.read_text().splitlines() if not line.startswith(f"{name}=")]
    fewer = tmp_path / SECRETS
    fewer.write_text("\n".join(kept))
    done = ask_compose("--profile", "*", "config", "--quiet", secrets=fewer)
    assert done.returncode != 0
    said = f"required variable {name} is missing a value: is not set; run `traffic deploy init`"
    lines = done.stderr.strip().splitlines()  # one for each place that needs it
    assert lines
    assert all(said in line for line in lines)


def test_every_variable_is_a_secret_or_has_the_default_that_the_example_tells() -> None:
    text, example = COMPOSE.read_text(), (ROOT / EXAMPLE).read_text()
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(wanted(example))
    told = set(re.findall(r"^# (\w+)=(.*)$", example, re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+):-(.*?)\}", text)) == told
    assert len(re.findall(r"\$\{", text)) == len(re.findall(r"\$\{\w+:[?-]", text))


def test_no_file_of_the_project_holds_a_secret_of_compose(secrets: Path) -> None:
    drawn = [line.partition("=")[2] for line in secrets.read_text().splitlines()]
    assert len(set(drawn)) == len(drawn)
    assert all(len(secret) >= 32 for secret in drawn)
    for name, service in raw()["services"].items():
        for variable, value in environment(service).items():
            if variable in {"ROOT_ACCESS_KEY", "AWS_ACCESS_KEY_ID"}:
                continue  # the store's name for a user
            if re.search(r"PASSWORD|SECRET|_KEY$|TOKEN", variable) and not str(value).startswith(
                "/"
            ):
                assert str(value).startswith("${"), (name, variable)


def test_only_the_doors_keeper_and_the_owner_of_a_password_get_it(services: dict[str, Any]) -> None:
    holders: dict[str, set[str]] = {}
    for name, service in raw()["services"].items():
        for secret in re.findall(r"\$\{(\w+):\?", json.dumps(service)):
            holders.setdefault(secret, set()).add(name)
    assert holders["POSTGRES_PASSWORD"] == {"postgres"}
    assert holders["SUPERSET_DB_PASSWORD"] == {"postgres", "superset", "superset-database"}
    assert holders["AIRFLOW_DB_PASSWORD"] == {"postgres", "airflow", "airflow-database"}
    assert holders["METASTORE_DB_PASSWORD"] == {"postgres", "metastore"}
    assert holders["TRINO_PASSWORD_LAKEHOUSE"] == {"trino-door", "trino-tables"}
    assert holders["TRINO_PASSWORD_SUPERSET"] == {"trino-door", "superset-dashboards", "grafana"}
    assert holders["TRINO_PASSWORD_ANALYST"] == {"trino-door"}
    for user in ("exporter", "lander", "producer", "setup", "stream"):
        assert holders[f"KAFKA_PASSWORD_{user.upper()}"] == {"kafka-users", user}
    assert holders["KAFKA_PASSWORD_OPERATOR"] == {"kafka-users", "airflow"}
    assert holders["S3_SECRET_ROOT"] == {"buckets", "s3"}
    for user in ("api", "exporter", "lander", "mlflow", "setup"):
        assert holders[f"S3_SECRET_{user.upper()}"] == {"buckets", user}
    assert holders["S3_SECRET_OPERATOR"] == {"buckets", "airflow"}
    assert holders["S3_SECRET_STREAM"] == {"buckets", "stream", "spark-worker-1", "spark-worker-2"}
    assert holders["S3_SECRET_TRINO"] == {"buckets", "metastore", "trino", "trino-tables"}


def test_whoever_asks_the_store_has_a_user_of_the_specs_and_its_secret(
    services: dict[str, Any], specs: Specs
) -> None:
    known = {}
    for name, service in raw()["services"].items():
        told = environment(service)
        if "AWS_ACCESS_KEY_ID" in told:
            known[name] = told["AWS_ACCESS_KEY_ID"]
            assert f"${{{secret_variable(known[name])}:?" in told["AWS_SECRET_ACCESS_KEY"], name
    asking = {
        name for name, one in services.items()
        if environment(one).keys() & {"TRAFFIC_LAKE_URL", "MLFLOW_S3_ENDPOINT_URL"}
    }  # fmt: skip
    assert known.keys() == asking
    assert set(known.values()) == set(bucket_users(specs))
    artifacts = environment(services["mlflow"])["MLFLOW_ARTIFACTS_DESTINATION"]
    assert artifacts == f"s3://{ARTIFACTS}"
    assert environment(services["s3"])["ROOT_ACCESS_KEY"] == OWNER


def test_only_brokers_and_what_makes_users_see_the_brokers_key(services: dict[str, Any]) -> None:
    mounts = {
        (volume["source"], name, volume["target"], volume.get("read_only", False))
        for name, one in services.items() for volume in one.get("volumes", [])
        if volume.get("source", "").startswith("kafka-key")
    }  # fmt: skip
    assert mounts == {
        ("kafka-key", "kafka-key", "/var/lib/traffic/kafka", False),
        ("kafka-key", "kafka-users", "/var/lib/traffic/kafka", True),
        *(("kafka-key", name, str(KEY.folder), True) for name in HOSTS),
    }  # fmt: skip


def test_only_trino_sees_its_key_and_whoever_asks_it_the_certificate(
    services: dict[str, Any],
) -> None:
    mounts = {
        (volume["source"], name, volume["target"], volume.get("read_only", False))
        for name, one in services.items() for volume in one.get("volumes", [])
        if volume.get("source", "") in {"trino-door", "trino-trust"}
    }  # fmt: skip
    assert mounts == {
        ("trino-door", "trino-door", "/var/lib/traffic/trino", False),
        ("trino-door", "trino", str(DOOR.folder), True),
        ("trino-trust", "trino-door", "/var/lib/traffic/trust", False),
        ("trino-trust", "trino-tables", "/var/lib/traffic/trino", True),
        ("trino-trust", "superset", str(DOOR.folder), True),
        ("trino-trust", "grafana", str(DOOR.folder), True),
    }
    asking = {
        n.removesuffix("-dashboards") for n, one in services.items()
        if any(f"@{HOST}:{PORT}" in str(v) or f"https://{HOST}:{PORT}" in str(v)
               for v in environment(one).values())
    }  # fmt: skip
    assert asking == {"trino-tables", "superset", "grafana"}
    dashboards = environment(services["superset-dashboards"])
    assert dashboards["TRINO_CERTIFICATE"] == str(DOOR.certificate)


def test_whoever_asks_kafka_has_a_user_of_the_specs_and_trusts_its_certificate(
    services: dict[str, Any], specs: Specs
) -> None:
    asking = {n: one for n, one in services.items() if "TRAFFIC_KAFKA_USER" in environment(one)}
    assert {environment(one)["TRAFFIC_KAFKA_USER"] for one in asking.values()} == set(
        kafka_users(specs)
    )
    for name, one in asking.items():
        told = environment(one)
        assert told["TRAFFIC_KAFKA_PASSWORD"], name
        folder = Path(told["TRAFFIC_KAFKA_AUTHORITY"]).parent
        (mount,) = [v for v in one["volumes"] if v["target"] == str(folder)]
        assert (mount["source"], mount["read_only"]) == ("kafka-trust", True), name
    addressed = {n for n, one in services.items() if "TRAFFIC_KAFKA_BOOTSTRAP" in environment(one)}
    assert addressed == asking.keys()


def test_the_store_is_told_its_users_secrets_where_nobody_else_is(services: dict[str, Any]) -> None:
    there = {name for name, one in services.items() if "keys" in (one.get("networks") or {})}
    assert there == {"buckets", "s3"}
    assert list(services["buckets"]["networks"]) == ["keys"]

"""docker-compose.yaml: closed by default, whole, and in agreement with the code it runs.

Compose itself reads it, without an engine; the rest is held on what Compose makes of it.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from lakehouse.artifacts import ROOT
from lakehouse.bucket import KEYS
from lakehouse.bucket_grants import CHECKPOINTS, LAKE, TABLES
from lakehouse.deploy.cluster import PORT as CLUSTER_PORT
from lakehouse.deploy.kafka import BROKERS, HOSTS, broker_environment
from lakehouse.deploy.trino import DOOR, PORT, password_variable, users
from lakehouse.monitoring.files import METRICS_PORT
from lakehouse.runtime.kafka_security import LISTENERS
from lakehouse.settings import Settings
from specs.loader import Specs
from tests.compose import ask_compose, environment, raw

DEPLOY = ROOT / "deploy"
OURS = "traffic-lakehouse/"
PINNED = re.compile(r"[a-z0-9./-]+:v?[0-9]+(\.[0-9]+){0,2}[a-z0-9.-]*")
NOT_SETTINGS = {"TRAFFIC_PROGRAM"}
"""Read by airflow/dags, whose environment holds none of our code."""


def of_ours(services: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in services.items() if one["image"].startswith(OURS)}


def test_compose_takes_it_with_every_set_of_profiles(secrets: Path) -> None:
    for profiles in (
        ["core"],
        ["core", "sql"],
        ["core", "sql", "bi"],
        ["core", "sql", "ops"],
        ["*"],
    ):
        flags = [part for profile in profiles for part in ("--profile", profile)]
        done = ask_compose(*flags, "config", "--quiet", secrets=secrets)
        assert done.returncode == 0, (profiles, done.stderr)
        assert done.stderr == ""


def test_only_loopback_is_published(services: dict[str, Any]) -> None:
    published = {
        name: port["host_ip"]
        for name, service in services.items() for port in service.get("ports", [])
    }  # fmt: skip
    assert set(published.values()) == {"127.0.0.1"}
    assert len(published) == 8
    hosts = [p["published"] for one in services.values() for p in one.get("ports", [])]
    assert len(set(hosts)) == len(hosts)
    assert not [name for name, one in services.items() if one.get("network_mode") == "host"]
    edge = {name for name, one in services.items() if "edge" in (one.get("networks") or {})}
    assert edge == set(published)


def test_every_service_runs_with_little_power(services: dict[str, Any]) -> None:
    for name, service in services.items():
        uid = service["user"].split(":")[0]
        assert uid.isdecimal(), name
        assert int(uid) > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        assert not service.get("cap_add"), name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= limits.keys(), name
        if not service.get("read_only"):
            assert raw()["services"][name]["x-writable"], name
    assert [n for n, one in services.items() if not one.get("read_only")] == [
        "kafka", "kafka-2", "kafka-3",
    ]  # fmt: skip


def test_every_service_has_a_health_check_or_a_reason_for_none(services: dict[str, Any]) -> None:
    for name, service in services.items():
        check = service.get("healthcheck", {})
        if check.get("disable"):
            assert raw()["services"][name]["x-no-healthcheck"], name
        elif not check:  # then it is the image's own
            assert "build" in service, name
            dockerfile = ROOT / service["build"]["dockerfile"]
            assert re.search(r"^HEALTHCHECK --", dockerfile.read_text(), re.MULTILINE), name


def test_who_reads_tables_or_keeps_state_knows_the_bucket_and_has_a_home(
    services: dict[str, Any],
) -> None:
    told = [n for n, one in services.items() if "TRAFFIC_LAKE_URL" in environment(one)]
    assert told == [
        "airflow", "api", "exporter", "lander", "metastore", "setup", "spark-worker-1",
        "spark-worker-2", "stream", "trino", "trino-tables",
    ]  # fmt: skip
    wanted = (*KEYS, "AWS_ENDPOINT_URL", "AWS_REGION", "TRAFFIC_CHECKPOINTS_URL")
    for name in told:
        assert environment(services[name])["TRAFFIC_LAKE_URL"] == f"s3://{LAKE}/{TABLES}"
        checkpoints = environment(services[name])["TRAFFIC_CHECKPOINTS_URL"]
        assert checkpoints == f"s3://{LAKE}/{CHECKPOINTS}"
        assert environment(services[name]).keys() >= set(wanted), name
        targets = {volume["target"] for volume in services[name].get("volumes", [])}
        if name in of_ours(services):
            assert "/var/lib/traffic" in targets, name


def test_the_stream_runs_on_the_clusters_workers(services: dict[str, Any]) -> None:
    master = environment(services["stream"])["TRAFFIC_SPARK_MASTER"]
    workers = [one for name, one in services.items() if name.startswith("spark-worker-")]
    assert [worker["command"][3] for worker in workers] == [master, master]
    assert master == f"spark://{services['spark-master']['hostname']}:{CLUSTER_PORT}"
    for worker in workers:  # one executor, as large as the stream asks for
        _, given = worker["command"][-2:]
        assert given == Settings.model_fields["spark_executor_memory"].default


def test_what_is_waited_for_can_come_true(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, wait in service.get("depends_on", {}).items():
            other = services[needed]
            ends = other["restart"] == "no"
            condition = "service_completed_successfully" if ends else "service_healthy"
            if service.get("network_mode") != f"service:{needed}":
                assert wait["condition"] == condition, (name, needed)
            if condition == "service_healthy":
                assert not other.get("healthcheck", {}).get("disable"), (name, needed)


def test_images_are_pinned_and_ours_are_of_this_version(services: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, service in services.items():
        image = service["image"]
        assert PINNED.fullmatch(image), name
        assert "latest" not in image
        if image.startswith(OURS):
            assert image.endswith(f":{version}")
    built = {one["image"] for one in services.values() if "build" in one}
    assert built == {one["image"] for one in of_ours(services).values()}
    for dockerfile in DEPLOY.glob("*/Dockerfile"):
        for argument, value in re.findall(
            r"^ARG (\w+)=(\S+)$", dockerfile.read_text(), re.MULTILINE
        ):
            if argument in {"PYTHON", "GO", "BASE"}:
                assert PINNED.fullmatch(value), dockerfile


def test_every_path_that_is_mounted_or_built_exists(services: dict[str, Any]) -> None:
    mounted = 0
    for name, service in services.items():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                mounted += 1
                assert Path(volume["source"]).exists(), name
                assert volume["read_only"], name
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file(), name
    assert mounted == 6


def test_what_our_services_are_told_is_what_the_code_reads(
    services: dict[str, Any], specs: Specs
) -> None:
    known = {f"TRAFFIC_{name.upper()}" for name in Settings.model_fields} | NOT_SETTINGS
    passwords = {password_variable(user) for user in users(specs)}
    for name, service in of_ours(services).items():
        ours = {key for key in environment(service) if key.startswith("TRAFFIC_")}
        assert ours <= known, name
        told = {
            key.lower()[8:]: value for key, value in environment(service).items() if key in ours
        }
        Settings.model_validate(told)
    assert passwords <= environment(services["trino-door"]).keys()
    for dockerfile in DEPLOY.glob("*/Dockerfile"):
        assert set(re.findall(r"TRAFFIC_\w+", dockerfile.read_text())) <= known, dockerfile


def test_prometheus_and_grafana_ask_services_that_there_are(
    services: dict[str, Any], specs: Specs
) -> None:
    targets = json.loads((DEPLOY / "prometheus/targets/traffic.json").read_text())
    for target in targets:
        (address,) = target["targets"]
        name, _, port = address.partition(":")
        assert environment(services[name])["TRAFFIC_METRICS_HOST"] == name
        assert int(port) == METRICS_PORT
        assert "control" in services[name]["networks"]
    assert f"TRAFFIC_METRICS_PORT={METRICS_PORT}" in (DEPLOY / "base/Dockerfile").read_text()
    (managers,) = json.loads((DEPLOY / "prometheus/alertmanagers.json").read_text())
    assert managers["targets"] == ["alertmanager:9093"]
    assert "alertmanager" in services
    keeps = f"--storage.tsdb.retention.time={specs.ops.monitoring.keep_days}d"
    assert keeps in services["prometheus"]["command"]
    asked = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/traffic.yml").read_text())
    told = environment(services["grafana"])
    for source in asked["datasources"]:
        url = told[source["url"].removeprefix("$")]
        host, port = url.partition("://")[2].split(":")
        assert host in services
        assert set(services[host]["networks"]) & set(services["grafana"]["networks"]) - {"edge"}
        if host == "trino":
            assert int(port) == PORT
            certificate = source["secureJsonData"]["tlsCACert"]
            assert certificate == f"$__file{{{DOOR.certificate}}}"


def test_what_asks_a_service_is_in_a_network_with_it(services: dict[str, Any]) -> None:
    """Every name of a service that stands in another's environment is one that it can reach."""
    for name, service in services.items():
        if service.get("network_mode"):
            continue
        mine = set(service["networks"]) - {"edge"}
        for value in environment(service).values():
            for host in re.findall(r"(?:://|@)(?:[^/@]*@)?([a-z][a-z0-9-]*)[:/]", str(value)):
                if host in services and host != name:
                    assert mine & set(services[host]["networks"]), (name, host)


def test_kafkas_brokers_ask_for_a_login_as_the_embedded_one_can(services: dict[str, Any]) -> None:
    brokers = {name: one for name, one in services.items() if one["image"].startswith("apache/")}
    assert tuple(brokers) == HOSTS
    for name, broker in brokers.items():
        told = environment(broker)
        assert broker_environment().items() <= told.items()
        listeners = dict(one.split("://") for one in told["KAFKA_LISTENERS"].split(","))
        assert listeners.keys() <= LISTENERS.keys()
        advertised = f"CLIENT://{name}:9092,BROKER://{name}:9094"
        assert told["KAFKA_ADVERTISED_LISTENERS"] == advertised
    assert f"{HOSTS[0]}:{listeners['BROKER'].strip(':')}" == BROKERS


def test_internal_networks_lead_nowhere() -> None:
    networks = raw()["networks"]
    inner = {name: {"internal": True} for name in ("data", "control", "keys")}
    assert networks == {"edge": {}, **inner}

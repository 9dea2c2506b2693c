"""`traffic doctor` on machines that lack something."""

import json
import os
import socket
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from lakehouse import doctor
from lakehouse.cli import app
from lakehouse.doctor import Finding, findings
from lakehouse.settings import Settings
from specs.loader import Specs
from specs.ops import Machine


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    ports = {f"{name}_port": 0 for name in (
        "kafka", "mlflow", "trino", "superset", "airflow", "prometheus", "alertmanager",
        "exporter", "api")}  # fmt: skip
    return Settings(home=tmp_path / "home", cache=tmp_path / "cache", **ports)


def found(what: str, settings: Settings) -> Finding:
    (one,) = [one for one in findings(settings) if one.what == what]
    return one


def look(name: str, settings: Settings, machine: Machine) -> dict[str, Finding]:
    return {one.what: one for one in doctor.LOOKS[name](settings, machine)}


def test_everything_is_looked_at_and_what_is_not_well_has_its_advice(settings: Settings) -> None:
    all_of_them = findings(settings)
    names = [one.what for one in all_of_them]
    assert len(set(names)) == len(names)
    assert {"python", "packages", "specs", "java", "cores", "memory", "disk", "cache",
            "port of kafka", "port of api", "spark files", "git"} <= set(names)  # fmt: skip
    for one in all_of_them:
        assert (one.state == "ok") == (one.advice == ""), one


def test_here_nothing_that_is_needed_is_missing(settings: Settings) -> None:
    assert [one for one in findings(settings) if one.state == "missing"] == []


def test_nothing_is_written(settings: Settings) -> None:
    findings(settings)
    assert not settings.home.exists()
    assert not settings.cache.exists()


@pytest.mark.parametrize(("server", "state"), [("kafka", "missing"), ("trino", "advice")])
def test_a_port_that_another_holds_is_told_with_the_variable_that_moves_it(
    server: str, state: str, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one = found(f"port of {server}", settings.model_copy(update={f"{server}_port": port}))
    assert one.state == state
    assert f"cannot listen on port {port}" in one.found
    assert f"(pid {os.getpid()})" in one.found
    assert f"TRAFFIC_{server.upper()}_PORT" in one.advice


def test_a_java_home_without_java_is_missing(settings: Settings, tmp_path: Path) -> None:
    one = found("java", settings.model_copy(update={"java_home": tmp_path}))
    assert one.state == "missing"
    assert "is no Java home" in one.found


def test_a_java_that_does_not_run_is_missing(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "java").chmod(0o755)
    (tmp_path / "release").write_text('JAVA_VERSION="21.0.1"\n')
    one = found("java", settings.model_copy(update={"java_home": tmp_path}))
    assert (one.state, "does not run" in one.found) == ("missing", True)


def test_a_small_machine_is_told_what_it_lacks(settings: Settings, specs: Specs) -> None:
    huge = specs.ops.machine.model_copy(update={
        "cores": 10_000, "memory_bytes": 10**15, "disk_bytes": 10**18, "open_files": 2**40,
    })  # fmt: skip
    assert look("cores", settings, huge)["cores"].state == "advice"
    assert look("memory", settings, huge)["memory"].state == "missing"
    assert look("open files", settings, huge)["open files"].state in {"advice", "ok"}
    assert {one.state for one in look("disk", settings, huge).values()} == {"advice"}


def test_a_containers_bound_counts(
    settings: Settings, specs: Specs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text("1000000000\n")
    monkeypatch.setattr(doctor, "CONTROL_GROUP", tmp_path)
    one = look("memory", settings, specs.ops.machine)["memory"]
    assert (one.state, one.found) == ("missing", "1.0 GB of 1.0 GB free")


def test_a_disk_below_what_the_servers_need_is_missing(
    settings: Settings, specs: Specs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.runtime.stack.FREE_BYTES", 10**18)
    told = look("disk", settings, specs.ops.machine)
    assert {one.state for one in told.values()} == {"missing"}
    assert "TRAFFIC_HOME" in told["disk"].advice


def test_a_package_of_another_version_is_named() -> None:
    assert doctor._requirement(Requirement("typer>=0.20")) is None
    wrong = doctor._requirement(Requirement("typer<0.1"))
    assert wrong is not None
    assert wrong.startswith("typer is ")
    assert doctor._requirement(Requirement("no-such-package-here")) == (
        "no-such-package-here is not installed"
    )


def test_trino_counts_as_there_once_it_is_unpacked(settings: Settings) -> None:
    assert found("trino files", settings).state == "advice"
    doctor.program_folder(settings).mkdir(parents=True)
    assert found("trino files", settings).state == "ok"


def test_the_command_prints_json_and_exits_with_1_where_a_need_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("KAFKA", "MLFLOW"):
        monkeypatch.setenv(f"TRAFFIC_{name}_PORT", "0")
    monkeypatch.setenv("TRAFFIC_HOME", str(tmp_path))
    fine = CliRunner().invoke(app, ["doctor", "--json"])
    assert fine.exit_code == 0, fine.output
    told = json.loads(fine.stdout)
    assert {"what", "state", "found", "advice"} == set(told[0])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("TRAFFIC_KAFKA_PORT", str(taken.getsockname()[1]))
        bad = CliRunner().invoke(app, ["doctor"])
    assert bad.exit_code == 1
    assert "missing  port of kafka" in bad.stdout
    assert "-> stop that, or set TRAFFIC_KAFKA_PORT" in bad.stdout

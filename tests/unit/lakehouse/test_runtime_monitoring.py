"""What Prometheus and Alertmanager are started with."""

import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from lakehouse.commands.stack import _optional
from lakehouse.runtime.monitoring import EXPORTER, alerting
from lakehouse.runtime.server import Server
from lakehouse.settings import Settings
from specs.errors import Unavailable, WrongInput
from specs.loader import load_specs
from tests.programs import program

ALERTMANAGER, PROMETHEUS = alerting(load_specs)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home", alert_webhook=SecretStr("http://127.0.0.1:1/secret"),
        prometheus_port=0, alertmanager_port=0,
    )  # fmt: skip


@pytest.mark.parametrize("server", [PROMETHEUS, ALERTMANAGER])
def test_a_program_that_is_not_installed_is_named_with_how_to_install_it(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="apt-get install prometheus prometheus-alertmanager"):
        server.prepare(settings, 1)


def test_a_server_that_there_is_not_is_refused() -> None:
    with pytest.raises(WrongInput, match="there are trino, superset, monitoring"):
        _optional(["grafana"])


def test_prometheus_takes_its_files_and_listens_on_loopback(settings: Settings) -> None:
    for name in ("prometheus", "prometheus-alertmanager"):
        program(name)
    for server, port in ((ALERTMANAGER, 4001), (PROMETHEUS, 4002)):
        for _ in range(2):  # a second start finds the files of the first
            launch = server.prepare(settings, port)
        assert f"--web.listen-address=127.0.0.1:{port}" in launch.command
    config = settings.home / "prometheus" / "prometheus.yml"
    done = subprocess.run(
        [program("promtool"), "check", "config", str(config)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert settings.targets.is_dir()
    assert "127.0.0.1:4001" in (settings.home / "alertmanager" / "targets.json").read_text()


def test_the_webhooks_address_is_for_this_account_alone(settings: Settings) -> None:
    program("prometheus-alertmanager")
    launch = ALERTMANAGER.prepare(settings, 4001)
    file = settings.home / "alertmanager" / "alertmanager.yml"
    assert "http://127.0.0.1:1/secret" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert not any("secret" in argument for argument in launch.command)
    silent = settings.model_copy(update={"alert_webhook": None})
    ALERTMANAGER.prepare(silent, 4001)
    assert "http" not in file.read_text()


def test_the_exporter_is_told_its_port(settings: Settings) -> None:
    launch = EXPORTER.prepare(settings, 4003)
    assert launch.environment["TRAFFIC_METRICS_PORT"] == "4003"
    assert launch.environment["TRAFFIC_HOME"] == str(settings.home)

"""Airflow lets in whom it printed a login for, on loopback, and keeps its secrets."""

import json
import re

import pytest
import requests

from lakehouse.runtime import process
from tests.dags.conftest import Lakehouse

pytestmark = pytest.mark.stack


def test_airflow_listens_on_loopback_alone_and_keeps_its_secrets(lakehouse: Lakehouse) -> None:
    members = process.members(lakehouse.settings.run)["airflow"]
    heard = [c.laddr.ip for m in members for c in m.net_connections() if c.status == "LISTEN"]
    assert set(heard) == {"127.0.0.1"}
    folder = lakehouse.settings.home / "airflow"
    files = [*folder.glob("*_key"), folder / "jwt_secret", folder / "passwords.json"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    secrets = [path.read_text() for path in files[:-1]]
    secrets += json.loads(files[-1].read_text()).values()
    assert len(secrets) == 4
    started = [m.environ() for m in members] + [
        {"log": (lakehouse.settings.log / "airflow.log").read_text()}
    ]
    for variables in started:
        assert not any(secret in value for value in variables.values() for secret in secrets)


def test_the_login_that_was_printed_once_opens_airflow(lakehouse: Lakehouse) -> None:
    (login,) = re.findall(r"^airflow: user (\S+), password (\S+) \(shown once\)$",
                          lakehouse.said.getvalue(), re.MULTILINE)  # fmt: skip
    user, password = login

    def log_in(password: str) -> requests.Response:
        body = {"username": user, "password": password}
        return requests.post(f"{lakehouse.url}/auth/token", json=body, timeout=60)

    assert log_in(password + "x").status_code == 401
    token = log_in(password).json()["access_token"]
    dags = requests.get(
        f"{lakehouse.url}/api/v2/dags", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    found = {dag["dag_id"] for dag in dags.json()["dags"]}
    assert found == set(lakehouse.specs.ops.airflow.dags)
    assert requests.get(f"{lakehouse.url}/api/v2/dags", timeout=60).status_code == 401

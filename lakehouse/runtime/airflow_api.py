"""Airflow's API, asked as the admin of an embedded Airflow."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from specs.errors import Unavailable

TIMEOUT_SECONDS = 60.0


class AirflowApi:
    """Asks and changes what one Airflow knows."""

    def __init__(self, url: str, password_file: Path) -> None:
        """Talk to the Airflow at ``url`` with the login in a file, see `airflow.password_file`."""
        self._url, self._password_file = url, password_file

    def get(self, path: str, **query: Any) -> Any:
        """Ask.

        Raises:
            Unavailable: Airflow does not answer, or refuses.
        """
        return self._asked("GET", path, params=query)

    def patch(self, path: str, **body: Any) -> Any:
        """Change something. Raises as `get`."""
        return self._asked("PATCH", path, json=body)

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG's runs, newest first. Raises as `get`."""
        return list(self.get(f"/dags/{dag_id}/dagRuns", order_by="-id")["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The tasks of a run; a mapped one once a number. Raises as `get`."""
        found = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")
        return list(found["task_instances"])

    def _asked(self, method: str, path: str, **more: Any) -> Any:
        return _json(method, f"{self._url}/api/v2{path}", headers=self._login, **more)

    @cached_property
    def _login(self) -> Mapping[str, str]:
        ((user, password),) = json.loads(self._password_file.read_text()).items()
        login = {"username": user, "password": password}
        told = _json("POST", f"{self._url}/auth/token", json=login)
        return {"Authorization": f"Bearer {told['access_token']}"}


def _json(method: str, url: str, **more: Any) -> Any:
    try:
        answer = requests.request(method, url, timeout=TIMEOUT_SECONDS, **more)
        answer.raise_for_status()
        return answer.json()
    except (requests.RequestException, ValueError) as error:
        raise Unavailable(f"airflow: {error}") from error

"""Airflow: the DAGs of ``airflow/dags``, from its own locked environment in ``airflow/``."""

import http.client
import json
import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from lakehouse.runtime import process
from lakehouse.runtime.program import run_program
from lakehouse.runtime.secret_file import keep_secret
from lakehouse.runtime.server import LOOPBACK, Launch, Server
from lakehouse.settings import Settings
from specs.errors import Unavailable

PROJECT = Path(__file__).parents[2] / "airflow"
PROGRAMS = PROJECT / ".venv" / "bin"
USER = "admin"
PROBE_SECONDS = 15.0
COMMAND_SECONDS = 600.0
PARTS = ("metadatabase", "scheduler", "dag_processor")


def answers(port: int) -> bool:
    """Return whether the API answers and says that scheduler and DAG processor are well."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/api/v2/monitor/health")
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            return False
        health = json.loads(answer.read())
        return all(health[part]["status"] == "healthy" for part in PARTS)
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False
    finally:
        connection.close()


def password_file(settings: Settings) -> Path:
    """Where the login is; only this account can read it."""
    return _home(settings) / "passwords.json"


def environment(settings: Settings, port: int) -> Mapping[str, str]:
    """What every program of this Airflow, and so each task, is started with.

    Secrets are in files that only this account can read; what a task inherits names the files.
    ``PYTHONPATH`` stays out: with the project's root on it, our folder ``airflow/`` would stand
    beside the package of that name.
    """
    home = _home(settings)
    options = {
        "API__BASE_URL": f"http://{LOOPBACK}:{port}",
        "API__HOST": LOOPBACK,
        "API__PORT": str(port),
        "API__WORKERS": "1",
        "API__SECRET_KEY_CMD": _cat(home / "secret_key"),
        "API_AUTH__JWT_SECRET_CMD": _cat(home / "jwt_secret"),
        "CORE__AUTH_MANAGER":
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "CORE__DAG_DISCOVERY_SAFE_MODE": "False",  # it skips files that do not say "airflow"
        "CORE__EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{port}/execution/",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__FERNET_KEY_CMD": _cat(home / "fernet_key"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "2",
        "CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(password_file(settings)),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "LOGGING__BASE_LOG_FOLDER": str(settings.log / "airflow"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(settings.log / "airflow/dags"),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }  # fmt: skip
    inherited = {
        name: value for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") and name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }  # fmt: skip
    return {
        **inherited,
        **{name: value for name, value in settings.environment().items() if name.startswith(OURS)},
        **{f"AIRFLOW__{name}": value for name, value in options.items()},
        "AIRFLOW_HOME": str(home),
        "SPT_NOENV": "1",  # a worker's title would overwrite its environment, the mark in it too
        "TRAFFIC_PROGRAM": str(Path(sys.executable).with_name("traffic")),
        process.MARK: str(settings.run / "airflow"),
    }


OURS = "TRAFFIC_"


def _prepare(settings: Settings, port: int) -> Launch:
    if not (PROGRAMS / "airflow").exists():
        raise Unavailable(f"Airflow is not installed in {PROJECT}; install it with `make airflow`")
    home = _home(settings)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("secret_key", "jwt_secret"):
        keep_secret(home / name, secrets.token_urlsafe(48))
    keep_secret(home / "fernet_key", _fernet_key())
    password = secrets.token_urlsafe(24)
    is_new = keep_secret(password_file(settings), json.dumps({USER: password}))
    started = environment(settings, port)
    run_program(
        "airflow db migrate", (str(PROGRAMS / "airflow"), "db", "migrate"), started,
        seconds=COMMAND_SECONDS,
    )  # fmt: skip
    if is_new:
        print(f"airflow: user {USER}, password {password} (shown once)", file=sys.stderr)
    return Launch((str(PROGRAMS / "python"), "-P", str(PROJECT / "serve.py")), started)


def _home(settings: Settings) -> Path:
    return settings.home / "airflow"


def _cat(path: Path) -> str:
    """Command, as Airflow takes it, that prints a file."""
    return shlex.join(("cat", str(path)))


def _fernet_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


AIRFLOW = Server(
    name="airflow",
    endpoint=f"http://{LOOPBACK}:{{port}}",
    port=lambda settings: settings.airflow_port,
    prepare=_prepare,
    answers=answers,
    start_seconds=300.0,
)

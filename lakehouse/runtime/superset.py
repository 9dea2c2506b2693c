"""Superset: dashboards on Trino, from its own locked environment in ``superset/``."""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from lakehouse.runtime import process
from lakehouse.runtime.program import run_program
from lakehouse.runtime.secret_file import keep_secret
from lakehouse.runtime.server import LOOPBACK, Launch, Server, answers_ok
from lakehouse.settings import Settings
from lakehouse.trino.client import Endpoint
from lakehouse.trino.home import CATALOG
from specs.errors import Unavailable

PROJECT = Path(__file__).parents[2] / "superset"
ASSETS = PROJECT / "assets"
PROGRAMS = PROJECT / ".venv" / "bin"
PROBE_SECONDS = 15.0
COMMAND_SECONDS = 600.0
"""Making the database takes half a minute on an idle machine."""

TRINO_USER = "superset"
START_HINT = "start both with `traffic up --with trino --with superset`"
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""They would override Trino's own certificate."""


def answers(port: int) -> bool:
    """Return whether the web application is up."""
    return answers_ok(port, "/health", PROBE_SECONDS)


def password_file(settings: Settings) -> Path:
    """Where the admin's password is; only this account can read it."""
    return settings.home / "superset" / "admin_password"


def _prepare(settings: Settings, port: int) -> Launch:
    if not (PROGRAMS / "superset").exists():
        raise Unavailable(
            f"Superset is not installed in {PROJECT}; install it with `make superset`"
        )
    folder = settings.home / "superset"
    folder.mkdir(parents=True, exist_ok=True)
    environment = _environment(folder, settings)
    made = folder / "made"
    if not made.exists():
        _make(settings, folder, environment)
        made.touch()
    return Launch(
        (
            *(str(PROGRAMS / "gunicorn"), "--bind", f"{LOOPBACK}:{port}", "--workers", "1"),
            *("--threads", "8", "--worker-class", "gthread", "--timeout", "120"),
            "superset.app:create_app()",
        ),
        environment,
    )


def _make(settings: Settings, folder: Path, environment: Mapping[str, str]) -> None:
    """Make the database with its admin, whose password is shown here and nowhere else."""
    for path in (folder / "secret_key", password_file(settings)):
        keep_secret(path, secrets.token_urlsafe(32))
    password = password_file(settings).read_text()
    _run("superset", "db", "upgrade", environment=environment)
    _run(
        *("superset", "fab", "create-admin", "--username", "admin", "--firstname", "Admin"),
        *("--lastname", "Admin", "--email", "admin@localhost"),
        environment={**environment, "FLASK_FAB_CREATE_ADMIN_PASSWORD": password},
    )
    _run("superset", "init", environment=environment)
    print(f"superset: user admin, password {password} (shown once)", file=sys.stderr)


def _settle(settings: Settings, endpoint: str) -> None:
    """Bring database, datasets, charts and dashboards to what the files say."""
    _provision(settings, endpoint)


def compare_assets(settings: Settings) -> str:
    """Hold what Superset has against the files of ``superset/assets``; says how many there are.

    Raises:
        Unavailable: Superset or Trino does not run, or the two differ; the message names the files.
    """
    return _provision(settings, _endpoint(settings), "--check")


def export_assets(settings: Settings) -> None:
    """Write what Superset has to ``superset/assets``.

    Raises:
        Unavailable: Superset or Trino does not run.
    """
    _provision(settings, _endpoint(settings), "--export")


def _endpoint(settings: Settings) -> str:
    record = process.records(settings.run).get("superset")
    if record is None or process.leader(record) is None:
        raise Unavailable(f"superset is not running below {settings.home}; {START_HINT}")
    return record.endpoint


def _provision(settings: Settings, endpoint: str, *task: str) -> str:
    trino = _trino(settings)
    variables = {
        "SUPERSET_URL": endpoint,
        "SUPERSET_PASSWORD_FILE": str(password_file(settings)),
        "TRINO_URI": sqlalchemy_uri(trino),
        "OAUTHLIB_INSECURE_TRANSPORT": "1",  # its client speaks plain HTTP, on loopback
    }
    if trino.url.startswith("https:"):
        variables["TRINO_CERTIFICATE"] = trino.verify if isinstance(trino.verify, str) else ""
    environment = _environment(settings.home / "superset", settings) | variables
    return _run("python", str(PROJECT / "provision.py"), *task, environment=environment)


def _trino(settings: Settings) -> Endpoint:
    url = settings.trino_url
    if url is None:
        record = process.records(settings.run).get("trino")
        if record is None or process.leader(record) is None:
            raise Unavailable(f"superset needs Trino, which is not running; {START_HINT}")
        url = record.endpoint
    return Endpoint.of(settings, url, TRINO_USER)


def sqlalchemy_uri(trino: Endpoint) -> str:
    """Trino's address as SQLAlchemy writes it, with the password where there is one."""
    url = urlsplit(trino.url)
    secret = f":{quote(trino.password, safe='')}" if trino.password else ""
    return f"trino://{trino.user}{secret}@{url.hostname}:{url.port}/{CATALOG}"


def _environment(folder: Path, settings: Settings) -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if name not in CA_VARIABLES}
    return {
        **inherited,
        "NO_PROXY": LOOPBACK,
        "SUPERSET_CONFIG_PATH": str(PROJECT / "superset_config.py"),
        "SUPERSET_FOLDER": str(folder),
        "FLASK_APP": "superset.app:create_app()",
        process.MARK: str(settings.run / "superset"),
    }


def _run(program: str, *arguments: str, environment: Mapping[str, str]) -> str:
    command = (str(PROGRAMS / program), *arguments)
    return run_program(f"{program} {arguments[0]}", command, environment, seconds=COMMAND_SECONDS)


SUPERSET = Server(
    name="superset",
    endpoint=f"http://{LOOPBACK}:{{port}}",
    port=lambda settings: settings.superset_port,
    prepare=_prepare,
    answers=answers,
    start_seconds=300.0,
    settle=_settle,
)

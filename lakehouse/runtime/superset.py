"""Superset: dashboards on Trino, from its own locked environment in ``superset/``."""

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lakehouse.runtime import process
from lakehouse.runtime.server import LOOPBACK, Launch, Server, answers_ok
from lakehouse.settings import Settings
from specs.errors import Unavailable

PROJECT = Path(__file__).parents[2] / "superset"
PROGRAMS = PROJECT / ".venv" / "bin"
PROBE_SECONDS = 15.0
COMMAND_SECONDS = 600.0
"""Making the database takes half a minute on an idle machine."""

QUOTED_LINES = 12


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
        _keep_secret(folder / "secret_key")
        is_new = _keep_secret(password_file(settings))
        _run("superset", "db", "upgrade", environment=environment)
        _run(
            *("superset", "fab", "create-admin", "--username", "admin", "--firstname", "Admin"),
            *("--lastname", "Admin", "--email", "admin@localhost"),
            *("--password", password_file(settings).read_text()),
            environment=environment,
        )
        _run("superset", "init", environment=environment)
        made.touch()
        if is_new:
            told = password_file(settings).read_text()
            print(f"superset: user admin, password {told} (shown once)", file=sys.stderr)
    return Launch(
        (
            *(str(PROGRAMS / "gunicorn"), "--bind", f"{LOOPBACK}:{port}", "--workers", "1"),
            *("--threads", "8", "--worker-class", "gthread", "--timeout", "120"),
            "superset.app:create_app()",
        ),
        environment,
    )


def _settle(settings: Settings, endpoint: str) -> None:
    """Bring database, datasets, charts and dashboards to what the files say."""
    trino = process.records(settings.run).get("trino")
    if trino is None or process.leader(trino) is None:
        raise Unavailable(
            "superset needs Trino; start both with `traffic up --with trino --with superset`"
        )
    uri = f"trino://superset@{LOOPBACK}:{trino.port}/lake"
    script = str(PROJECT / "provision.py")
    _run(
        *("python", script, endpoint, str(password_file(settings)), uri),
        environment={
            **_environment(settings.home / "superset", settings),
            "OAUTHLIB_INSECURE_TRANSPORT": "1",  # its client speaks plain HTTP, on loopback
        },
    )


def _environment(folder: Path, settings: Settings) -> Mapping[str, str]:
    return {
        **os.environ,
        "SUPERSET_CONFIG_PATH": str(PROJECT / "superset_config.py"),
        "SUPERSET_FOLDER": str(folder),
        "FLASK_APP": "superset.app:create_app()",
        process.MARK: str(settings.run / "superset"),
    }


def _keep_secret(path: Path) -> bool:
    """Have a random secret there; whether it is new."""
    if path.exists():
        return False
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    return True


def _run(program: str, *arguments: str, environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603  (nothing in it comes from outside)
            [str(PROGRAMS / program), *arguments], env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{program} has not ended after {COMMAND_SECONDS:g} s") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-QUOTED_LINES:]
        raise Unavailable("\n".join((f"{program} {arguments[0]} failed:", *last)))


SUPERSET = Server(
    name="superset",
    endpoint=f"http://{LOOPBACK}:{{port}}",
    port=lambda settings: settings.superset_port,
    prepare=_prepare,
    answers=answers,
    start_seconds=300.0,
    settle=_settle,
)

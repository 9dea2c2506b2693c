"""Random secrets for the containers, in a file that only its owner can read."""

import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from specs.errors import Unavailable, WrongInput

EXAMPLE, SECRETS = ".env.example", ".env"
SECRET_BYTES = 32
VARIABLE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def wanted(example: str) -> list[str]:
    """Names of the variables in the text of ``.env.example``; each stands there without a value.

    Raises:
        WrongInput: a line is neither a comment nor a name without a value.
    """
    found = []
    for number, line in enumerate(example.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        variable = VARIABLE.fullmatch(line)
        if variable is None or variable[2]:
            raise WrongInput(f"{EXAMPLE}:{number}: a name without a value is wanted: {line!r}")
        found.append(variable[1])
    return found


def drawn(names: Iterable[str]) -> str:
    """A line ``NAME=secret`` a name, each secret drawn anew."""
    return "".join(f"{name}={_secret(name)}\n" for name in names)


def _secret(name: str) -> str:
    if name.endswith("_FERNET_KEY"):
        from cryptography.fernet import Fernet

        return Fernet.generate_key().decode()
    return secrets.token_urlsafe(SECRET_BYTES)


def write_secrets(folder: Path) -> Path:
    """Write ``.env`` beside ``.env.example``, with a secret for each of its names.

    One that exists keeps what it has, and is given the names that it lacks.

    Raises:
        WrongInput: there is a ``.env`` already, with every name, or no example.
        Unavailable: it cannot be written.
    """
    example, path = folder / EXAMPLE, folder / SECRETS
    try:
        names = wanted(example.read_text())
    except FileNotFoundError as error:
        raise WrongInput(
            f"no {EXAMPLE} in {folder}; run this where docker-compose.yaml is, or name the folder"
        ) from error
    try:
        kept = path.read_text() if path.exists() else ""
        lacking = [name for name in names if not re.search(f"^{name}=", kept, re.MULTILINE)]
        if not lacking:
            raise WrongInput(
                f"{path} exists and is kept: the volumes were made with its secrets; to begin"
                " anew, remove it and them (`docker compose down --volumes`)"
            )
        begin = "" if not kept or kept.endswith("\n") else "\n"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write(begin + drawn(lacking))
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
    return path


def given(
    users: Iterable[str], variable: Callable[[str], str], environment: Mapping[str, str]
) -> dict[str, str]:
    """The users' secrets, each in the environment variable of its user's.

    Raises:
        WrongInput: one is absent; the message names the variables.
    """
    variables = {user: variable(user) for user in users}
    missing = sorted(name for name in variables.values() if not environment.get(name))
    if missing:
        raise WrongInput(f"no secret: set {', '.join(missing)}")
    return {user: environment[name] for user, name in variables.items()}

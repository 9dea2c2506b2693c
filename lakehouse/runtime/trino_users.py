"""Who may ask Trino what: access rules from the specs, passwords, the server's certificate."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import bcrypt

from lakehouse.runtime import certificate
from lakehouse.runtime.certificate import write_secret
from lakehouse.trino.home import CATALOG, OWNER, TrinoHome
from specs.loader import Specs

BCRYPT_ROUNDS = 10
PASSWORD_BYTES = 18


def rules(specs: Specs) -> dict[str, Any]:
    """Return Trino's access rules: each user reads its schemas; nobody writes a row.

    The owner registers the tables of the specs and defines their views, and nothing else.
    """
    names: dict[str, list[str]] = {}
    for name in (*specs.tables, *specs.views):
        schema, relation = name.split(".")
        names.setdefault(schema, []).append(relation)
    owned = [
        {
            "user": OWNER, "catalog": CATALOG, "schema": schema, "table": "|".join(relations),
            "privileges": ["SELECT", "GRANT_SELECT", "OWNERSHIP"],
        }
        for schema, relations in names.items()
    ]  # fmt: skip
    read = [
        {
            "user": user, "catalog": CATALOG, "schema": "|".join(access.schemas),
            "privileges": ["SELECT"],
        }
        for user, access in specs.access.items()
    ]  # fmt: skip
    everyone = "|".join((OWNER, *specs.access))
    described = {"schema": "information_schema", "privileges": ["SELECT"]}
    return {
        "catalogs": [
            {"user": OWNER, "catalog": CATALOG, "allow": "all"},
            {"user": everyone, "catalog": f"{CATALOG}|system", "allow": "read-only"},
            {"allow": "none"},
        ],
        "schemas": [{"user": OWNER, "schema": "|".join(names), "owner": True}, {"owner": False}],
        "tables": [
            *owned, *read,
            {"user": everyone, "catalog": CATALOG, **described},
            {"user": everyone, "catalog": "system", "privileges": ["SELECT"]},
            {"privileges": []},
        ],
        "procedures": [
            {
                "user": OWNER, "catalog": CATALOG, "schema": "system",
                "procedure": "register_table|unregister_table", "privileges": ["EXECUTE"],
            },
            {"privileges": []},
        ],
        "queries": [{"user": OWNER, "allow": ["execute", "view", "kill"]}, {"allow": ["execute"]}],
    }  # fmt: skip


def keep_passwords(home: TrinoHome, users: Sequence[str]) -> None:
    """Have a password for each user; one that exists is kept, and its hash is written anew."""
    for user in users:
        path = home.password(user)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_secret(path, secrets.token_urlsafe(PASSWORD_BYTES).encode())
    write_hashes(home, {user: home.password(user).read_text().strip() for user in users})


def write_hashes(home: TrinoHome, passwords: Mapping[str, str]) -> None:
    """Write what the server checks these users' passwords by."""
    lines = []
    for user, password in passwords.items():
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
        lines.append(f"{user}:{hashed.replace('$2b$', '$2y$', 1)}\n")  # the one Trino knows
    write_secret(home.hashes, "".join(lines).encode())


def keep_certificate(home: TrinoHome, names: Sequence[str] = ("localhost",)) -> None:
    """Have a self-signed certificate for these names and loopback, made anew before it ends."""
    certificate.keep_certificate(home.keystore, home.certificate, "traffic lakehouse Trino", names)

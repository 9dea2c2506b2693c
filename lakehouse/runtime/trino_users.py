"""Who may ask Trino what: access rules from the specs, passwords, the server's certificate."""

import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lakehouse.runtime.server import LOOPBACK
from lakehouse.trino.home import CATALOG, OWNER, TrinoHome
from specs.loader import Specs

CERTIFICATE_LIFE = timedelta(days=825)
RENEWAL = timedelta(days=30)
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
            _write_secret(path, secrets.token_urlsafe(PASSWORD_BYTES).encode())
    write_hashes(home, {user: home.password(user).read_text().strip() for user in users})


def write_hashes(home: TrinoHome, passwords: Mapping[str, str]) -> None:
    """Write what the server checks these users' passwords by."""
    lines = []
    for user, password in passwords.items():
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
        lines.append(f"{user}:{hashed.replace('$2b$', '$2y$', 1)}\n")  # the one Trino knows
    _write_secret(home.hashes, "".join(lines).encode())


def keep_certificate(home: TrinoHome, names: Sequence[str] = ("localhost",)) -> None:
    """Have a self-signed certificate for these names and loopback, made anew before it ends."""
    if home.certificate.exists() and home.keystore.exists():
        held = x509.load_pem_x509_certificate(home.certificate.read_bytes())
        if held.not_valid_after_utc - datetime.now(UTC) > RENEWAL:
            return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "traffic lakehouse Trino")])
    begin = datetime.now(UTC) - timedelta(minutes=5)
    served = [*map(x509.DNSName, names), x509.IPAddress(ip_address(LOOPBACK))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + CERTIFICATE_LIFE)
        .add_extension(x509.SubjectAlternativeName(served), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write_secret(home.keystore, private + public)
    home.certificate.write_bytes(public)


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that only this account can read, in place at once."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)

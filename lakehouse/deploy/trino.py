"""Trino in a container: its files, which follow from the specs, and the keys to its door."""

import json
from collections.abc import Mapping
from pathlib import Path

from lakehouse.deploy.secrets import given
from lakehouse.runtime.certificate import give_certificate
from lakehouse.runtime.server import LOOPBACK
from lakehouse.runtime.trino import (
    DELTA_ON_DISK,
    JVM,
    LIMITS,
    ONE_NODE,
    PASSWORDS,
    QUIET,
    S3_KEYS,
    access_control,
    lines,
    password_file,
)
from lakehouse.runtime.trino_users import keep_certificate, rules, write_hashes
from lakehouse.trino.home import CATALOG, OWNER, TrinoHome
from specs.loader import Specs

HOST = "trino"
"""Its name among the containers."""

INNER_PORT, PORT = 8080, 8443
METASTORE = "thrift://metastore:9083"
BUCKETS = {
    "fs.native-s3.enabled": "true",
    "s3.endpoint": "${ENV:AWS_ENDPOINT_URL}",
    "s3.region": "${ENV:AWS_REGION}",
    "s3.path-style-access": "true",
    **S3_KEYS,
}
HEAP = "1500m"
ETC, DATA = Path("/etc/trino"), Path("/data/trino")
DOOR = TrinoHome(Path("/run/trino"))
"""Where the container sees certificate and hashes, and its clients the certificate."""


def trino_files(specs: Specs) -> dict[str, str]:
    """Text by path below ``deploy/``: all of the container's ``/etc/trino``, without a secret."""
    node = {
        "node.environment": "traffic",
        "node.id": "traffic-1",
        "node.data-dir": str(DATA),
        "plugin.dir": "/usr/lib/trino/plugin",
        "catalog.config-dir": str(ETC / "catalog"),
    }
    config = {
        **ONE_NODE,
        **LIMITS,
        **PASSWORDS,
        "node.internal-address": LOOPBACK,
        "http-server.http.port": str(INNER_PORT),
        "http-server.https.port": str(PORT),
        "http-server.https.keystore.path": str(DOOR.keystore),
        "discovery.uri": f"http://{LOOPBACK}:{INNER_PORT}",
        "internal-communication.shared-secret": "${ENV:TRINO_SHARED_SECRET}",
        "spiller-spill-path": str(DATA / "spill"),
        "access-control.config-files": str(ETC / "access-control.properties"),
        "password-authenticator.config-files": str(ETC / "password-authenticator.properties"),
    }
    catalog = {**DELTA_ON_DISK, **BUCKETS, "hive.metastore.uri": METASTORE}
    made = {
        "node.properties": lines(node),
        "config.properties": lines(config),
        "log.properties": lines(dict.fromkeys(QUIET, "WARN")),
        "access-control.properties": lines(access_control(str(ETC / "rules.json"))),
        "password-authenticator.properties": lines(password_file(str(DOOR.hashes))),
        f"catalog/{CATALOG}.properties": lines(catalog),
        "rules.json": json.dumps(rules(specs), indent=2) + "\n",
        "jvm.config": "\n".join(("-server", f"-Xmx{HEAP}", *JVM)) + "\n",
    }
    return {f"trino/{path}": text for path, text in made.items()}


def users(specs: Specs) -> tuple[str, ...]:
    """Whom Trino knows."""
    return (OWNER, *specs.access)


def password_variable(user: str) -> str:
    """Environment variable of a user's password."""
    return f"TRINO_PASSWORD_{user.upper()}"


def write_door(
    home: TrinoHome, trusted: Path, specs: Specs, environment: Mapping[str, str]
) -> None:
    """Have a certificate, and the hashes of the users' passwords, where Trino looks for them.

    Args:
        home: the folder that the container of Trino sees as ``/run/trino``.
        trusted: the folder that clients see there; the certificate alone is in it.
        specs: the users.
        environment: their passwords, each in its `password_variable`.

    Raises:
        WrongInput: a password is absent; the message names the variables.
    """
    passwords = given(users(specs), password_variable, environment)
    home.folder.mkdir(parents=True, exist_ok=True)
    keep_certificate(home, ("localhost", HOST))
    give_certificate(home.certificate, trusted)
    write_hashes(home, passwords)

"""Kafka in containers: what its brokers are told, their key, and its users by their passwords."""

from collections.abc import Mapping
from pathlib import Path

from lakehouse.deploy.secrets import given
from lakehouse.kafka_grants import grants, users
from lakehouse.runtime.certificate import give_certificate, keep_certificate
from lakehouse.runtime.kafka_security import OWNER, secure_properties
from lakehouse.runtime.kafka_users import KafkaDoor
from lakehouse.server_home import ServerHome
from specs.loader import Specs

HOSTS = ("kafka", "kafka-2", "kafka-3")
"""The brokers' names among the containers."""

KEY = ServerHome(Path("/run/kafka"))
"""Where a broker sees its key and certificate."""

BROKERS = "kafka:9094"
"""The first broker's listener for whoever has their key."""


def broker_environment() -> dict[str, str]:
    """Variables by which Kafka's image is told to ask for a login."""
    return {_variable(name): value for name, value in secure_properties(KEY).items()}


def _variable(name: str) -> str:
    """As the image reads a property: two underscores for one, three for a hyphen."""
    return "KAFKA_" + name.replace("_", "__").replace("-", "___").replace(".", "_").upper()


def password_variable(user: str) -> str:
    """Environment variable of a user's password."""
    return f"KAFKA_PASSWORD_{user.upper()}"


def write_key(home: ServerHome, trusted: Path) -> None:
    """Have the brokers' key and certificate in ``home``, and the certificate in ``trusted`` too.

    Clients are given ``trusted`` alone: with the key they could do everything.
    """
    home.folder.mkdir(parents=True, exist_ok=True)
    keep_certificate(home.keystore, home.certificate, OWNER, ("localhost", *HOSTS))
    give_certificate(home.certificate, trusted)


def keep_users(door: KafkaDoor, specs: Specs, environment: Mapping[str, str]) -> None:
    """Have Kafka know every user by the password given, and allow each what the specs grant.

    Raises:
        WrongInput: a password is absent; the message names the variables.
        Unavailable: Kafka does not answer, or refuses.
    """
    door.keep_users(given(users(specs), password_variable, environment))
    door.keep_grants(grants(specs))

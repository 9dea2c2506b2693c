"""What makes a broker ask for a login: its properties, which the containers' brokers have too."""

from pathlib import Path

from lakehouse.kafka_access import MECHANISM
from lakehouse.server_home import ServerHome

OWNER = "traffic-kafka"
"""Common name of the brokers' certificate. They know each other by it, over mutual TLS."""

LISTENERS = {"CLIENT": "SASL_SSL", "BROKER": "SSL", "CONTROLLER": "SSL"}


def listener_protocols() -> str:
    """What each listener speaks, as the broker wants it."""
    return ",".join(f"{name}:{protocol}" for name, protocol in LISTENERS.items())


def secure_properties(home: ServerHome) -> dict[str, str]:
    """Properties that let clients in by password over TLS, and brokers by their certificate.

    Nobody may do anything that no rule allows, but for whoever has the brokers' own key.
    """
    mutual = {
        f"listener.name.{name.lower()}.ssl.client.auth": "required"
        for name, protocol in LISTENERS.items() if protocol == "SSL"
    }  # fmt: skip
    return {
        "listener.security.protocol.map": listener_protocols(),
        "inter.broker.listener.name": "BROKER",
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.client.{MECHANISM.lower()}.sasl.jaas.config":
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        **_pem("keystore", home.keystore), **_pem("truststore", home.certificate),
        "ssl.client.auth": "none", **mutual,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:CN={OWNER}",
    }  # fmt: skip


def _pem(store: str, path: Path) -> dict[str, str]:
    return {f"ssl.{store}.type": "PEM", f"ssl.{store}.location": str(path)}

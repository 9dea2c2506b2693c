"""Has a Kafka know its users by their passwords, and allow each what the specs grant."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from lakehouse.kafka_grants import Grant
from lakehouse.server_home import ServerHome
from specs.errors import Unavailable

ITERATIONS = 8192
PATIENCE_SECONDS = 30.0
KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
OPERATIONS = {
    "alter_configs": AclOperation.ALTER_CONFIGS,
    "create": AclOperation.CREATE, "describe": AclOperation.DESCRIBE, "read": AclOperation.READ,
    "write": AclOperation.WRITE,
}  # fmt: skip
EVERY_RULE = AclBindingFilter(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None,  # type: ignore[arg-type]  # any
    AclOperation.ANY, AclPermissionType.ANY,
)  # fmt: skip


class KafkaDoor:
    """The brokers' own entrance, for whoever holds their key."""

    def __init__(self, bootstrap: str, home: ServerHome) -> None:
        """Use the key in ``home`` at ``bootstrap``, a listener that is for brokers."""
        self._bootstrap = bootstrap
        self._admin = AdminClient({
            "bootstrap.servers": bootstrap, "security.protocol": "SSL",
            "ssl.ca.location": str(home.certificate),
            "ssl.certificate.location": str(home.keystore), "ssl.key.location": str(home.keystore),
            "log_level": 2,
        })  # fmt: skip

    def keep_users(self, passwords: Mapping[str, str]) -> None:
        """Have each user let in by this password, and by no other.

        Raises:
            Unavailable: Kafka does not answer, or refuses.
        """
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        self._wait(
            self._admin.alter_user_scram_credentials(
                [
                    UserScramCredentialUpsertion(user, info, password.encode())
                    for user, password in passwords.items()
                ]
            ).values()
        )

    def keep_grants(self, wanted: Iterable[Grant]) -> None:
        """Have every one of ``wanted`` allowed, and nothing else to anybody.

        Raises:
            Unavailable: Kafka does not answer, or refuses.
        """
        rules = {_rule(grant) for grant in wanted}
        (held,) = self._wait([self._admin.describe_acls(EVERY_RULE)])
        if new := rules.difference(held):
            self._wait(self._admin.create_acls(list(new)).values())
        if old := set(held) - rules:
            self._wait(self._admin.delete_acls([_only(rule) for rule in old]).values())

    def _wait(self, futures: Iterable["Future[Any]"]) -> list[Any]:
        try:
            return [future.result(PATIENCE_SECONDS) for future in futures]
        except (KafkaException, TimeoutError) as error:
            raise Unavailable(f"Kafka at {self._bootstrap}: {error}") from error


def _rule(grant: Grant) -> AclBinding:
    return AclBinding(
        KINDS[grant.kind], grant.name, ResourcePatternType.LITERAL, f"User:{grant.user}", "*",
        OPERATIONS[grant.operation], AclPermissionType.ALLOW,
    )  # fmt: skip


def _only(rule: AclBinding) -> AclBindingFilter:
    """A filter that finds this rule alone."""
    return AclBindingFilter(
        rule.restype, rule.name, rule.resource_pattern_type, rule.principal, rule.host,
        rule.operation, rule.permission_type,
    )  # fmt: skip

"""How our clients reach Kafka: an address, and where it asks for one a login over TLS."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import TopicMetadata

from specs.errors import Unavailable

MECHANISM = "SCRAM-SHA-512"
FINAL = frozenset({
    KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
})  # fmt: skip
"""What asking again does not help against."""

DENIED = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
})  # fmt: skip
"""A topic or a group that no rule lets the user at."""

FETCHING = {
    "fetch.wait.max.ms": 50, "queued.max.messages.kbytes": 65536, "fetch.queue.backoff.ms": 10,
}  # fmt: skip
"""How consumers fetch what they read as fast as it comes.

librdkafka itself pauses a second whenever its queue is full: a topic of 2 million records then
comes at 189,000 a second, and at 567,000 without.
"""

ASK_SECONDS = 1.0
HINT = "look at TRAFFIC_KAFKA_USER, TRAFFIC_KAFKA_PASSWORD and TRAFFIC_KAFKA_AUTHORITY"


@dataclass(frozen=True)
class KafkaAccess:
    """Where a user reaches Kafka, and how they prove who they are.

    Attributes:
        bootstrap: ``host:port``, or several with commas between.
        user: whom Kafka knows; None where it takes everybody, without TLS.
        password: of the user; sent over TLS only, and even then as a proof (SCRAM).
        authority: whom to trust, a PEM file; None for the system's authorities.
    """

    bootstrap: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authority: Path | None = None

    @classmethod
    def of(cls, kafka: "Kafka") -> Self:
        """The access itself, or to a bare address without a login."""
        return kafka if isinstance(kafka, cls) else cls(str(kafka))

    def __str__(self) -> str:
        return self.bootstrap if self.user is None else f"{self.bootstrap} as {self.user}"

    def client(self) -> dict[str, Any]:
        """Options of librdkafka."""
        options = {"bootstrap.servers": self.bootstrap}
        if self.user is None:
            return options
        trusted = {} if self.authority is None else {"ssl.ca.location": str(self.authority)}
        return {
            **options, **trusted, "security.protocol": "SASL_SSL", "sasl.mechanism": MECHANISM,
            "sasl.username": self.user, "sasl.password": self.password,
        }  # fmt: skip

    def admin(self) -> dict[str, Any]:
        """Options of ``kafka-python``."""
        options = {"bootstrap_servers": self.bootstrap}
        if self.user is None:
            return options
        trusted = {} if self.authority is None else {"ssl_cafile": str(self.authority)}
        return {
            **options, **trusted, "security_protocol": "SASL_SSL", "sasl_mechanism": MECHANISM,
            "sasl_plain_username": self.user, "sasl_plain_password": self.password,
        }  # fmt: skip


Kafka = KafkaAccess | str
"""An access, or a bare address: one that asks for no login."""


class KafkaRefusal:
    """Hears what librdkafka reports by the way, and keeps what asking again does not mend.

    librdkafka itself asks for ever: with a wrong password too.
    """

    def __init__(self, kafka: Kafka) -> None:
        """Of a client of ``kafka``; give it to the client as its ``error_cb``."""
        self._kafka = KafkaAccess.of(kafka)
        self._said: str | None = None

    def __call__(self, error: KafkaError) -> None:
        """Keep the first refusal."""
        if error.code() in FINAL and self._said is None:
            self._said = error.str()

    def check(self) -> None:
        """Raise `Unavailable` where Kafka lets this client in no more."""
        if self._said is not None:
            raise refused(self._kafka, self._said)

    def described(self, client: Producer | Consumer, topic: str, seconds: float) -> TopicMetadata:
        """What Kafka says of a topic.

        Args:
            client: whom we are the ``error_cb`` of; a consumer before it has subscribed.
            topic: its name.
            seconds: Kafka is asked again for so long.

        Raises:
            Unavailable: it does not answer, or does not let us in.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                found: TopicMetadata = client.list_topics(topic, timeout=ASK_SECONDS).topics[topic]
                return found
            except KafkaException as error:
                client.poll(0)  # hears why
                self.check()
                if time.monotonic() > deadline:
                    away = f"Kafka at {self._kafka} does not answer: {error}"
                    raise Unavailable(away) from error


def let_in(kafka: Kafka, seconds: float) -> None:
    """See that Kafka lets us in, where it asks for a login; one that does not answer is let be.

    ``kafka-python`` cannot tell a wrong password from a broker that is away, and waits.

    Raises:
        Unavailable: Kafka refuses us.
    """
    access = KafkaAccess.of(kafka)
    if access.user is None:
        return
    refusal = KafkaRefusal(access)
    client = Producer({**access.client(), "error_cb": refusal, "log_level": 0})
    with suppress(KafkaException):
        client.list_topics(timeout=seconds)
    client.poll(0)  # hears why
    refusal.check()


@contextmanager
def fatal_told(kafka: Kafka) -> Iterator[None]:
    """Say in one line what ends a client for good, which librdkafka raises wherever it stands.

    Its Python client raises `SystemError` from it where an ``error_cb`` is set.
    """
    try:
        yield
    except (KafkaException, SystemError) as error:
        raise refused(kafka, error.__cause__ or error) from error


def refused(kafka: Kafka, reason: object) -> Unavailable:
    """The error of a client that Kafka does not let in, or not do what it wants: one line."""
    said = " ".join(str(reason).split())
    return Unavailable(f"Kafka at {kafka} refuses: {said}; {HINT}")

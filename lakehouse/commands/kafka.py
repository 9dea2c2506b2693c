"""Options of the commands that talk to Kafka."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lakehouse.kafka_access import KafkaAccess

Bootstrap = Annotated[
    str | None,
    typer.Option(
        envvar="TRAFFIC_KAFKA_BOOTSTRAP", help="Kafka as HOST:PORT; by default the embedded one."
    ),
]


def kafka_at(bootstrap: str | None, service: str) -> "KafkaAccess":
    """The address that was given, else that of the embedded broker, for one of our services."""
    from lakehouse.services import kafka_access
    from lakehouse.settings import Settings

    return kafka_access(Settings(), service, bootstrap)

"""Options of the commands that talk to Kafka."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

Bootstrap = Annotated[
    str | None,
    typer.Option(
        envvar="TRAFFIC_KAFKA_BOOTSTRAP", help="Kafka as HOST:PORT; by default the embedded one."
    ),
]


def kafka_address(bootstrap: str | None) -> str:
    """Address that was given, else that of the embedded broker."""
    if bootstrap is not None:
        return bootstrap
    from lakehouse.services import kafka_bootstrap
    from lakehouse.settings import Settings

    return kafka_bootstrap(Settings())


@contextmanager
def quiet_kafka() -> Iterator[None]:
    """Keep the clients' own words about a broker that is down off the screen: ours say it once."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("ingestion.producer").setLevel(logging.CRITICAL)
    yield

"""`traffic topic`: the topics of Kafka."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.commands.answer import Json, print_json
from lakehouse.commands.kafka import Bootstrap, kafka_at

if TYPE_CHECKING:
    from ingestion.topics import TopicAdmin
    from specs.loader import Specs

app = typer.Typer(no_args_is_help=True, help="Topics of Kafka.")


@contextmanager
def _admin(specs: "Specs", bootstrap: str | None, service: str) -> Iterator["TopicAdmin"]:
    from ingestion.topics import TopicAdmin

    kafka, retry = kafka_at(bootstrap, service), specs.ops.retries.unavailable
    with TopicAdmin(kafka, retry) as admin:
        yield admin


@app.command("create")
def topic_create(
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each new topic.")] = 4,
    replicas: Annotated[
        int, typer.Option(min=1, help="Brokers that hold each partition of a new topic.")
    ] = 1,
    bootstrap: Bootstrap = None,
    as_json: Json = False,
) -> None:
    """Create the topics of the specs and their dead-letter topics; those that exist stay."""
    from ingestion.topics import wanted_topics
    from lakehouse.kafka_grants import SETUP
    from specs.loader import load_specs

    specs = load_specs()
    with _admin(specs, bootstrap, SETUP) as admin:
        created = admin.create(specs, partitions, replicas)
    present = sorted(wanted_topics(specs) - set(created))
    if as_json:
        print_json({"created": created, "present": present})
        return
    for name in created:
        print(f"created {name}")
    for name in present:
        print(f"present {name}")


@app.command("retain")
def topic_retain(bootstrap: Bootstrap = None, as_json: Json = False) -> None:
    """Have topics that exist keep their records as long as specs/ops.yaml says now."""
    from lakehouse.kafka_grants import SETUP
    from specs.loader import load_specs

    specs = load_specs()
    with _admin(specs, bootstrap, SETUP) as admin:
        days = admin.retain(specs)
    if as_json:
        print_json(days)
        return
    for name, count in days.items():
        print(f"{name:28} {count} days")


@app.command("list")
def topic_list(
    group: Annotated[
        str | None, typer.Option(help="Also how far this consumer group is behind.")
    ] = None,
    bootstrap: Bootstrap = None,
    as_json: Json = False,
) -> None:
    """Show first and next offset of every partition, or how far a consumer group is behind."""
    from dataclasses import asdict

    from ingestion.topics import wanted_topics
    from lakehouse.kafka_grants import OPERATOR
    from specs.loader import load_specs

    specs = load_specs()
    with _admin(specs, bootstrap, OPERATOR) as admin:
        names = sorted(wanted_topics(specs))
        found = (
            [asdict(row) for row in admin.offsets(names)]
            if group is None
            else [asdict(row) for name in names for row in admin.lag(group, name)]
        )
    if as_json:
        print_json(found)
        return
    for row in found:
        place = f"{row.pop('topic')}/{row.pop('partition')}"
        print(f"{place:28}", *(f"{name} {value}" for name, value in row.items()), sep="  ")

"""Who may do what on Kafka, by the specs: each service no more than its own topics need."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from specs.loader import Specs
from specs.tables import TopicSpec

EXPORTER, OPERATOR, SETUP = "exporter", "operator", "setup"
"""Who is no component of a flow: the metrics' eye; a person, or Airflow, who audits and corrects;
what makes the topics."""

Kind = Literal["topic", "group"]
Operation = Literal["alter_configs", "create", "describe", "read", "write"]


SETTING_UP: tuple[Operation, ...] = ("alter_configs", "create", "describe")


@dataclass(frozen=True, order=True)
class Grant:
    """One thing that a user may do; everything else is refused."""

    user: str
    kind: Kind
    name: str
    operation: Operation


def group_of(consumer: str) -> str:
    """Consumer group of a service."""
    return f"traffic-{consumer}"


def users(specs: Specs) -> tuple[str, ...]:
    """Whom Kafka knows."""
    services = {
        who for versions in specs.topic_versions.values() for topic in versions
        for who in (*topic.producers, *topic.consumers)
    }  # fmt: skip
    return tuple(sorted(services | {EXPORTER, OPERATOR, SETUP}))


def grants(specs: Specs) -> set[Grant]:
    """Everything that anybody may do.

    A topic is written by its producers and read, in a group of their own, by its consumers, who
    write what they could not use to its dead-letter topic; where it has none, its producers do.
    The operator reads all topics, and writes those that are made of tables: a recompute tells its
    rows too. To write or read a topic is to see it described.
    """
    found: set[Grant] = set()
    for versions in specs.topic_versions.values():
        for topic in versions:
            found.update(_flow(topic))
    for topic in specs.topics.values():
        readers = {one for v in specs.topic_versions[topic.topic] for one in v.consumers}
        for name in (topic.topic, topic.dead_letter_topic):
            found.add(Grant(EXPORTER, "topic", name, "describe"))
            found.add(Grant(OPERATOR, "topic", name, "read"))
            found.update(Grant(SETUP, "topic", name, does) for does in SETTING_UP)
            if topic.table is not None:
                found.add(Grant(OPERATOR, "topic", name, "write"))
        for reader in readers:
            for watcher in (EXPORTER, OPERATOR):
                found.add(Grant(watcher, "group", group_of(reader), "describe"))
    found.add(Grant(OPERATOR, "group", group_of(OPERATOR), "read"))
    return found


def _flow(topic: TopicSpec) -> Iterator[Grant]:
    for producer in topic.producers:
        yield Grant(producer, "topic", topic.topic, "write")
    for consumer in topic.consumers:
        yield Grant(consumer, "topic", topic.topic, "read")
        yield Grant(consumer, "group", group_of(consumer), "read")
    for judge in topic.consumers or topic.producers:
        yield Grant(judge, "topic", topic.dead_letter_topic, "write")

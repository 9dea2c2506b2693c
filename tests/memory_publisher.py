"""A publisher that keeps what it is given."""

import pyarrow as pa

from lakehouse.publish import messages
from specs.tables import TopicSpec


class MemoryPublisher:
    """Topic to its messages, in order."""

    def __init__(self) -> None:
        self.sent: dict[str, list[tuple[str, str]]] = {}

    def send(self, topic: TopicSpec, rows: pa.Table, *, dead: bool = False) -> None:
        name = topic.dead_letter_topic if dead else topic.topic
        self.sent.setdefault(name, []).extend(messages(rows, topic.key))

    def flush(self) -> None:
        """Nothing is on its way."""

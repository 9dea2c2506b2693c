"""A Kafka record without a Kafka: what landing reads of a message."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

EVENT_TIME = datetime(2018, 3, 5, 12, tzinfo=UTC)
SENT_MS = round(EVENT_TIME.timestamp() * 1000) + 1500
KEY = b"simulator:a"


def event(**changes: Any) -> dict[str, Any]:
    """A good event of segment ``simulator:a``; a change to ... leaves the field out."""
    fields = {
        "event_id": "e1", "source": "simulator", "segment_id": "simulator:a",
        "event_time": "2018-03-05T12:00:00.000Z", "speed_kmh": 41.5, "vehicle_count": 3,
        "occupancy_ratio": 0.1, "travel_time_s": 87.0, "status": "ok", "schema_version": 1,
    } | changes  # fmt: skip
    return {name: value for name, value in fields.items() if value is not ...}


def event_json(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


@dataclass(frozen=True)
class KafkaRecord:
    """The protocol `ingestion.decode.Record`, from plain values."""

    raw_value: bytes | None
    number: int = 0
    raw_key: bytes | None = KEY
    place: int = 0
    sent_ms: int = SENT_MS
    pairs: tuple[tuple[str, bytes | None], ...] = ()

    def key(self) -> bytes | None:
        return self.raw_key

    def value(self) -> bytes | None:
        return self.raw_value

    def partition(self) -> int:
        return self.place

    def offset(self) -> int:
        return self.number

    def timestamp(self) -> tuple[int, int]:
        return (1, self.sent_ms)

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return list(self.pairs) or None

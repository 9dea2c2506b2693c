"""Records that are wrong, each made from a good one, in every way seen in the wild."""

from collections.abc import Callable

import msgspec

Event = dict[str, object]
Wire = tuple[bytes | None, bytes | None]
"""Key and value."""

WRONG_UNIT_KMH = 900.0
HUGE_CHARACTERS = 70_000
"""More than ``limits.max_value_bytes`` in ``ops.yaml``."""


def _with(**changes: object) -> Callable[[bytes, Event], Wire]:
    """Make a record whose event differs in ``changes``."""

    def build(key: bytes, event: Event) -> Wire:
        return key, msgspec.json.encode({**event, **changes})

    return build


def _segment(key: bytes, event: Event) -> Wire:
    nowhere = f"{event['source']}:nowhere"
    return nowhere.encode(), msgspec.json.encode({**event, "segment_id": nowhere})


def _missing(key: bytes, event: Event) -> Wire:
    return key, msgspec.json.encode({k: v for k, v in event.items() if k != "event_time"})


def _local_time(key: bytes, event: Event) -> Wire:
    local = str(event["event_time"]).removesuffix("Z")
    return key, msgspec.json.encode({**event, "event_time": local})


def _nan(key: bytes, event: Event) -> Wire:
    return key, msgspec.json.encode({**event, "speed_kmh": 0})[:-1] + b',"speed_kmh":NaN}'


def _truncated(key: bytes, event: Event) -> Wire:
    text = msgspec.json.encode(event)
    return key, text[: len(text) // 2]


def _not_utf8(key: bytes, event: Event) -> Wire:
    text = msgspec.json.encode({**event, "event_id": "#"})
    return key, text.replace(b"#", b"\xff\xfe", 1)


BUILDERS: dict[str, Callable[[bytes, Event], Wire]] = {
    "not_json": lambda key, event: (key, b"speed=41.3;segment=7"),
    "truncated": _truncated,
    "wrong_type": _with(speed_kmh="fast"),
    "not_a_number": _nan,
    "huge_text": _with(status="x" * HUGE_CHARACTERS),
    "wrong_unit": _with(speed_kmh=WRONG_UNIT_KMH, status="ok"),
    "unknown_segment": _segment,
    "unknown_source": _with(source="atlantis"),
    "unknown_status": _with(status="perhaps"),
    "missing_field": _missing,
    "local_time": _local_time,
    "from_the_future": _with(event_time="2999-01-01T00:00:00.000Z"),
    "from_the_past": _with(event_time="1970-01-01T00:00:00.000Z"),
    "null_key": lambda key, event: (None, msgspec.json.encode(event)),
    "empty_value": lambda key, event: (key, b""),
    "not_utf8": _not_utf8,
    "tombstone": lambda key, event: (key, None),
}
"""How each of `records.MALFORMED` is made from a key and an event."""


def malformed(kind: str, key: bytes, value: bytes) -> Wire:
    """Make a record of ``kind`` that resembles the good record ``key``, ``value``.

    It is a record of its own: where it still has an event id, it is not the good one's.
    """
    event: Event = msgspec.json.decode(value)
    return BUILDERS[kind](key, {**event, "event_id": f"{event['event_id']}:{kind}"})

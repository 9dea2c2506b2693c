"""How long and how often Kafka is asked before giving up."""

from collections.abc import Iterator

from specs.ops import Retry


def waits(retry: Retry) -> Iterator[float]:
    """Seconds to wait after each attempt but the last."""
    for attempt in range(retry.attempts - 1):
        wait = retry.first_wait_seconds * retry.wait_factor**attempt
        yield min(wait, retry.max_wait_seconds)


def patience_seconds(retry: Retry) -> float:
    """Sum of the waits, at least 1 s, for clients that retry by themselves within a time."""
    return max(1.0, sum(waits(retry)))

"""Looks at each part on a timer; a part that cannot be seen does not hold up the others."""

import logging
import time
from collections.abc import Callable, Mapping

import pyarrow as pa
from deltalake.exceptions import DeltaError

from ingestion.topics import TopicAdmin
from lakehouse.bucket import outage
from lakehouse.exporter import parts
from lakehouse.exporter.parts import Seen
from lakehouse.kafka_access import Kafka
from lakehouse.location import Place
from lakehouse.tables import Lake
from specs.errors import TrafficError
from specs.ops import Retry

log = logging.getLogger(__name__)

SLOW_SECONDS = 60.0
"""Between two looks at what takes more than a moment."""

POLL_SECONDS = 0.2
PATIENCE = Retry(attempts=2, first_wait_seconds=5, wait_factor=1, max_wait_seconds=5)
"""With Kafka; the next look is the retry."""

QUICK: Mapping[str, Callable[[Seen], None]] = {
    "stream": parts.look_at_stream,
    "gates": parts.look_at_gates,
    "dead_letters": parts.look_at_dead_letters,
    "disk": parts.look_at_disk,
}
SLOW: Mapping[str, Callable[[Seen], None]] = {
    "tables": parts.look_at_tables,
    "sensors": parts.look_at_sensors,
    "outcomes": parts.look_at_outcomes,
}


class Exporter:
    """Keeps the metrics of `lakehouse.exporter.parts` up to date."""

    def __init__(self, lake: Lake, checkpoint: Place, kafka: Callable[[], Kafka]) -> None:
        """Look at ``lake``, the stream's ``checkpoint`` and the Kafka whose address is asked for.

        The address is asked for again whenever Kafka does not answer: it may start later.
        """
        self._seen = Seen(lake, checkpoint, lake.metrics)
        self._kafka = kafka
        self._admin: TopicAdmin | None = None
        self._refresh_seconds = lake.specs.ops.monitoring.refresh_seconds
        self._failures: dict[str, str] = {}
        self._slow_due = 0.0

    def run(self, stopped: Callable[[], bool]) -> None:
        """Look again and again until ``stopped()``."""
        due = 0.0
        while not stopped():
            if time.monotonic() >= due:
                due = time.monotonic() + self._refresh_seconds
                self.look()
            time.sleep(POLL_SECONDS)
        self._close()

    def look(self) -> None:
        """Look at every part that is due."""
        with self._seen.metrics.measured():
            for part, take in QUICK.items():
                self._take(part, lambda take=take: take(self._seen))  # type: ignore[misc]
            if time.monotonic() >= self._slow_due:
                self._slow_due = time.monotonic() + SLOW_SECONDS
                for part, take in SLOW.items():
                    self._take(part, lambda take=take: take(self._seen))  # type: ignore[misc]
                pa.default_memory_pool().release_unused()  # else it keeps 50 MB until the next look
            self._take("kafka", self._look_at_kafka)  # last, as it may keep us waiting

    def _take(self, part: str, take: Callable[[], None]) -> None:
        metrics, began = self._seen.metrics, time.perf_counter()
        try:
            take()
        except (TrafficError, DeltaError, OSError) as error:
            text = outage(error) or str(error).splitlines()[0]
            if self._failures.get(part) != text:
                log.warning("cannot see %s: %s", part, text)
            self._failures[part] = text
            self._seen.forget(part)
        else:
            self._failures.pop(part, None)
            metrics.set("traffic_exporter_success_timestamp_seconds", time.time(), part=part)
            seconds = time.perf_counter() - began
            metrics.set("traffic_exporter_duration_seconds", seconds, part=part)

    def _look_at_kafka(self) -> None:
        try:
            if self._admin is None:
                self._admin = TopicAdmin(self._kafka(), PATIENCE)
            parts.look_at_kafka(self._seen, self._admin)
        except TrafficError:
            self._close()
            raise

    def _close(self) -> None:
        if self._admin is not None:
            self._admin.__exit__()
        self._admin = None

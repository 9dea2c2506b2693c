"""Metrics of the stream that only Spark and the registry know."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lakehouse.jobs.model_watch import ModelWatch
from lakehouse.metrics import Metrics

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

Progress = Mapping[str, Any]
"""What Spark says of one micro-batch: its `StreamingQueryProgress`."""


class Query(Protocol):
    """The part of Spark's streaming query that is read."""

    @property
    def lastProgress(self) -> Any:  # noqa: N802
        """The newest micro-batch."""

    @property
    def recentProgress(self) -> Sequence[Any]:  # noqa: N802
        """The newest 100 micro-batches."""


class StreamProgress:
    """Reads what Spark says of each micro-batch, once."""

    def __init__(self, metrics: Metrics, query: "Query | StreamingQuery") -> None:
        """Nothing is read yet."""
        self._metrics, self._query = metrics, query
        self._seen: int | None = None

    def look(self) -> None:
        """Take the micro-batches since the last look."""
        with self._metrics.measured():
            newest = self._query.lastProgress
            if newest is None or newest["batchId"] == self._seen:
                return
            fresh: Sequence[Progress] = [newest]
            if self._seen is not None and newest["batchId"] > self._seen + 1:
                fresh = [one for one in self._query.recentProgress if one["batchId"] > self._seen]
            for one in fresh:
                self._take(one)
            self._seen = newest["batchId"]

    def _take(self, progress: Progress) -> None:
        metrics, seconds = self._metrics, progress["durationMs"].get("triggerExecution", 0) / 1000
        metrics.observe("traffic_batch_duration_seconds", seconds, job="stream")


def watch_model(metrics: Metrics, models: ModelWatch) -> None:
    """Have version and age of the model in hand read at each scrape; 0 while there is none."""

    def version() -> float:
        return models.model.version if models.model else 0

    def created() -> float:
        moment = models.model.trained_at if models.model else None
        return moment.timestamp() if moment else float("nan")

    metrics.watch("traffic_model_version", version)
    metrics.watch("traffic_model_created_timestamp_seconds", created)

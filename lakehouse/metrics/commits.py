"""Metrics of the commit path: what was written, how long it took, how fresh it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.commit import commits
from lakehouse.location import Place
from lakehouse.metrics.registry import Metrics

BRONZE = "bronze.traffic_event"
LAYERS = {
    BRONZE: "bronze",
    "silver.segment_metric": "silver",
    "gold.congestion_scores": "gold",
}
MAX_COMMITS = 200
"""Of bronze, that are looked up for one commit of the stream; a batch has about three."""


@dataclass(frozen=True)
class Landed:
    """One commit of the lander to bronze.

    Attributes:
        between: first and last Kafka timestamp of its readings, in milliseconds since the epoch;
            None where the commit does not tell.
        rows: how many readings.
        committed_at: seconds since the epoch.
    """

    between: tuple[int, int] | None
    rows: int
    committed_at: float

    @property
    def sent(self) -> npt.NDArray[np.float64]:
        """Kafka timestamp of each reading, taken to lie evenly between the first and the last.

        In seconds since the epoch; empty where the commit does not tell.
        """
        if self.between is None:
            return np.empty(0)
        first, last = self.between
        return np.linspace(first / 1000, last / 1000, self.rows)


def landings(folder: Place, versions: range) -> Iterator[Landed]:
    """Those of the ``versions`` of bronze, in ``folder``, that landed readings, in order.

    What the log was cleaned of is left out.
    """
    for commit in commits(BRONZE, folder, versions):
        if commit.note is not None and commit.note["job"] == "land" and commit.rows_written:
            between = commit.note.get("sent")
            yield Landed(
                tuple(between) if between else None,
                commit.rows_written, commit.committed_at.timestamp(),
            )  # fmt: skip


class CommitWatch:
    """Takes the metrics of each commit that this process makes, from what the log says of it."""

    def __init__(self, metrics: Metrics, folder: Callable[[str], Place]) -> None:
        """Count into ``metrics``; ``folder`` gives the folder of a table."""
        self._metrics, self._folder = metrics, folder
        self._silver: tuple[int | None, float] | None = None
        self._batch: tuple[range, list[Landed]] = range(0), []

    def committed(
        self, table: str, rows: int, at: datetime, note: Mapping[str, Any] | None, seconds: float
    ) -> None:
        """Take one commit.

        Args:
            table: ``layer.name``.
            rows: that the write reported.
            at: Delta's timestamp of the commit.
            note: what the commit says of itself.
            seconds: wall time that it took.
        """
        with self._metrics.measured():
            job = "none" if note is None else note["job"]
            self._metrics.count("traffic_rows_written_total", rows, table=table, job=job)
            self._metrics.observe("traffic_commit_duration_seconds", seconds, table=table)
            layer = LAYERS.get(table)
            if note is None or layer is None:
                return
            if job == "land" and rows:
                self._land(Landed(note.get("sent"), rows, at.timestamp()))
            elif job == "stream" and note["source_versions"]:
                self._stream(layer, self._landed(*note["source_versions"]), note, at)

    def _land(self, landed: Landed) -> None:
        waited = landed.committed_at - landed.sent
        for name in ("traffic_freshness_seconds", "traffic_processing_seconds"):
            self._metrics.observe(name, waited, layer="bronze")

    def _stream(
        self, layer: str, landed: Iterable[Landed], note: Mapping[str, Any], at: datetime
    ) -> None:
        moment = at.timestamp()
        if layer == "silver":
            self._silver = note["batch_id"], moment
        for one in landed:
            begun: float | None = one.committed_at
            if layer == "gold":
                is_same = self._silver is not None and self._silver[0] == note["batch_id"]
                begun = self._silver[1] if self._silver is not None and is_same else None
            self._metrics.observe("traffic_freshness_seconds", moment - one.sent, layer=layer)
            if begun is not None:
                waited = np.full(len(one.sent), moment - begun)
                self._metrics.observe("traffic_processing_seconds", waited, layer=layer)

    def _landed(self, first: int, last: int) -> list[Landed]:
        """The commits of bronze in a batch of the stream, the newest `MAX_COMMITS` of them."""
        versions = range(max(first, last - MAX_COMMITS + 1), last + 1)
        if self._batch[0] != versions:  # gold follows silver, of the same batch
            self._batch = versions, list(landings(self._folder(BRONZE), versions))
        return self._batch[1]

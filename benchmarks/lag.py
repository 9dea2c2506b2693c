"""How far the tables are behind while a load runs, and whether they fall back."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestion.lander import GROUP
from ingestion.topics import TopicAdmin
from lakehouse.commit import Commit
from lakehouse.jobs.maintenance import MAINTAIN
from lakehouse.journal import now
from lakehouse.tables import Lake

BRONZE, GOLD = "bronze.traffic_event", "gold.congestion_scores"

Ledger = Sequence[Mapping[str, Any]]
"""Rows of ops.ledger."""


@dataclass(frozen=True)
class Behind:
    """Readings that one hop has yet to take, over time.

    ``is_flat``: by the straight line through the samples it grew by less than a second's readings.
    """

    first: int
    last: int
    highest: int
    is_flat: bool


def behind(samples: Sequence[int], rate: float) -> Behind:
    """Sum up samples taken at equal distances.

    Args:
        samples: readings behind, at least one.
        rate: readings per second.
    """
    growth = 0.0
    if len(samples) > 1:
        slope = statistics.linear_regression(range(len(samples)), samples).slope
        growth = slope * (len(samples) - 1)
    return Behind(samples[0], samples[-1], max(samples), growth < rate)


def landed(ledger: Ledger, since_version: int) -> int:
    """Rows of bronze in its commits past ``since_version``."""
    return sum(rows for _, version, rows in _bronze(ledger) if version > since_version)


def unscored(ledger: Ledger, moments: Sequence[datetime]) -> list[int]:
    """Rows that bronze had and the scores of gold had not, at each of ``moments``."""
    commits = list(_bronze(ledger))
    scored = [
        (row["committed_at"], row["source_version_last"])
        for row in ledger
        if row["table_name"] == GOLD and row["job"] == "stream"
        and row["source_version_last"] is not None
    ]  # fmt: skip
    found = []
    for moment in moments:
        reached = max((version for at, version in scored if at <= moment), default=-1)
        waiting = (rows for at, version, rows in commits if at <= moment and version > reached)
        found.append(sum(waiting))
    return found


def _bronze(ledger: Ledger) -> Iterator[tuple[datetime, int, int]]:
    """Time, version and rows of each commit to bronze."""
    for row in ledger:
        if row["table_name"] == BRONZE:
            yield row["committed_at"], row["table_version"], row["rows_written"]


def _filled(commit: Commit) -> int:
    """Its own version, of a commit to bronze that brought rows; `traffic maintain` brings none."""
    return commit.version if commit.note and commit.note["job"] != MAINTAIN else -1


def _scored(commit: Commit) -> int:
    """The newest version of bronze whose readings are in a commit to the scores."""
    note = commit.note
    if note and note["job"] == "stream" and note["source_versions"]:
        return int(note["source_versions"][1])
    return -1


class Newest:
    """The newest version that a table's commits tell of; each is looked at once."""

    def __init__(self, lake: Lake, table: str, version: Callable[[Commit], int]) -> None:
        """Look at ``table`` of ``lake``; ``version`` is what a commit tells, -1 for nothing."""
        self._lake, self._table, self._version = lake, table, version
        self._seen = self._newest = -1

    def look(self) -> int:
        """The newest version that has been told of by now; -1 for none."""
        table = self._lake.table(self._table)
        until = table.refresh()
        told = (self._version(commit) for commit in table.commits(after=self._seen))
        self._newest, self._seen = max((self._newest, *told)), until
        return self._newest


class LagWatch:
    """Asks Kafka and the Delta logs where the lander and the stream are."""

    def __init__(self, lake: Lake, admin: TopicAdmin, topic: str) -> None:
        """Watch the tables of ``lake`` fill from ``topic``."""
        self._admin, self._topic, self._lake = admin, topic, lake
        self._filled = Newest(lake, BRONZE, _filled)
        self._scored = Newest(lake, GOLD, _scored)
        self._moments: list[datetime] = []
        self._unlanded: list[int] = []

    @property
    def records_in_kafka(self) -> int:
        """Records that the topic has taken."""
        return sum(place.end for place in self._admin.offsets([self._topic]))

    @property
    def bronze_version(self) -> int:
        """The newest commit of bronze."""
        return self._lake.table(BRONZE).refresh()

    @property
    def is_all_in_gold(self) -> bool:
        """The lander has landed all that Kafka holds, and the stream has scored all of that."""
        return self._unlanded_now() == 0 and 0 <= self._filled.look() <= self._scored.look()

    def sample(self) -> None:
        """Keep how far the lander is behind now."""
        self._unlanded.append(self._unlanded_now())
        self._moments.append(now())

    def summary(self, ledger: Ledger, rate: float) -> dict[str, Behind]:
        """What the samples say of the lander, and the finished ledger of the stream."""
        return {
            "bronze": behind(self._unlanded, rate),
            "gold": behind(unscored(ledger, self._moments), rate),
        }

    def _unlanded_now(self) -> int:
        return sum(lag.lag for lag in self._admin.lag(GROUP, self._topic))

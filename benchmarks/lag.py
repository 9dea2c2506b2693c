"""How far the tables are behind while a load runs, and whether they fall back."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ingestion.lander import GROUP
from ingestion.topics import TopicAdmin
from lakehouse.tables import Lake

BRONZE, GOLD = "bronze.traffic_event", "gold.congestion_scores"


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


class LagWatch:
    """Asks Kafka and the Delta logs where the lander and the stream are."""

    def __init__(self, lake: Lake, admin: TopicAdmin, topic: str) -> None:
        """Start at the commits that are there."""
        self._admin, self._topic = admin, topic
        self._bronze, self._gold = lake.table(BRONZE), lake.table(GOLD)
        self._rows: dict[int, int] = {}
        self._seen = self._gold_seen = self._scored = -1
        self.samples: dict[str, list[int]] = {"bronze": [], "gold": []}

    @property
    def bronze_version(self) -> int:
        """The newest commit of bronze."""
        return self._bronze.refresh()

    @property
    def records_in_kafka(self) -> int:
        """Records that the topic has taken."""
        return sum(place.end for place in self._admin.offsets([self._topic]))

    def rows_after(self, version: int) -> int:
        """Rows of bronze in the commits past ``version``."""
        newest = self._bronze.refresh()
        for commit in self._bronze.commits(after=self._seen):
            self._rows[commit.version] = commit.rows_written
        self._seen = newest
        return sum(rows for at, rows in self._rows.items() if at > version)

    @property
    def scored_version(self) -> int:
        """The newest commit of bronze whose readings are in the scores; -1 for none."""
        newest = self._gold.refresh()
        for commit in self._gold.commits(after=self._gold_seen):
            if commit.note and commit.note["job"] == "stream" and commit.note["source_versions"]:
                self._scored = max(self._scored, commit.note["source_versions"][1])
        self._gold_seen = newest
        return self._scored

    def now(self) -> dict[str, int]:
        """Readings that Kafka has and bronze has not, and that bronze has and gold has not."""
        lags = self._admin.lag(GROUP, self._topic)
        return {
            "bronze": sum(lag.lag for lag in lags),
            "gold": self.rows_after(self.scored_version),
        }

    def sample(self) -> None:
        """Keep how it is now."""
        for name, readings in self.now().items():
            self.samples[name].append(readings)

    def summary(self, rate: float) -> dict[str, object]:
        """What the samples say, by table."""
        return {name: asdict(behind(samples, rate)) for name, samples in self.samples.items()}

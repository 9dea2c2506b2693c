"""How old the newest reading in a gold table is, read from the table's Delta log alone.

Any writer's table will do that has a column ``kafka_timestamp_max``: a commit's file statistics say
how far gold had come, the commit says when. So a pipeline and its peers are measured alike.
"""

import json
import statistics
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from benchmarks.report import quantile
from lakehouse.delta_log import actions
from lakehouse.location import Place

STAMP = "kafka_timestamp_max"
SAMPLE_SECONDS = 0.02
"""Readings are sent evenly, so moments this far apart stand for all of them."""

FEWEST_COMMITS = 3
"""For a line through their ages."""


@dataclass(frozen=True)
class Moment:
    """One commit of gold; both in seconds since the epoch.

    Attributes:
        at: when it was committed.
        reached: Kafka's timestamp of the newest reading that gold then counted.
    """

    at: float
    reached: float

    @property
    def age(self) -> float:
        """Seconds from the newest reading to its commit."""
        return self.at - self.reached


@dataclass(frozen=True)
class Ages:
    """Seconds from Kafka's timestamp to the gold commit that counts the reading."""

    p50_seconds: float
    p95_seconds: float
    p99_seconds: float


def ages(moments: Sequence[Moment], began: float, ended: float) -> Ages | None:
    """Of readings that were sent evenly from ``began`` to ``ended``; None if gold lacks one.

    Args:
        moments: in order, those past ``ended`` that the last readings need among them.
        began: seconds since the epoch.
        ended: after that.
    """
    reached = [moment.reached for moment in moments]
    found = []
    for number in range(int((ended - began) / SAMPLE_SECONDS)):
        sent = began + number * SAMPLE_SECONDS
        place = bisect_left(reached, sent)
        if place == len(moments):
            return None
        found.append(moments[place].at - sent)
    return Ages(*(quantile(found, share) for share in (0.5, 0.95, 0.99)))


def drift(moments: Sequence[Moment], began: float, ended: float) -> float:
    """Seconds by which the age grew a second, by the straight line through the commits' ages.

    0: it takes what is sent; 0.5: half of it. 1, nothing, where there are too few commits to say.
    """
    held = [moment for moment in moments if began <= moment.at <= ended]
    if len(held) < FEWEST_COMMITS:
        return 1.0
    times, old = [m.at for m in held], [m.age for m in held]
    return statistics.linear_regression(times, old).slope


class GoldLog:
    """The commits of one gold table, read as they come."""

    def __init__(self, folder: Place) -> None:
        """Read the table in ``folder``, which may not be there yet."""
        self._folder, self._next = folder, 0
        self.moments: list[Moment] = []

    def look(self) -> Sequence[Moment]:
        """Take in what was committed since the last look; returns all."""
        with suppress(FileNotFoundError):
            while True:
                self._read(self._next)
                self._next += 1
        return self.moments

    @property
    def age(self) -> float:
        """Seconds that have passed since the newest reading in gold was sent."""
        moments = self.look()
        return time.time() - moments[-1].reached if moments else float("inf")

    def behind(self, since: float) -> float:
        """The age where readings have come since ``since`` alone: at most the time since then."""
        return min(self.age, time.time() - since)

    def _read(self, version: int) -> None:
        reached = self.moments[-1].reached if self.moments else 0.0
        at = next(actions(self._folder, version, "commitInfo"))["timestamp"] / 1000
        for added in actions(self._folder, version, "add"):
            highest = json.loads(added.get("stats") or "{}").get("maxValues", {})
            if STAMP in highest:
                reached = max(reached, datetime.fromisoformat(highest[STAMP]).timestamp())
        if reached:
            self.moments.append(Moment(at, reached))

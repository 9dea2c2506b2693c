"""What it takes to ask every process for its metrics."""

import time
from pathlib import Path

from lakehouse.metrics.scrape import endpoints, scrape


class Scrapes:
    """What scrapes took so far, by process."""

    def __init__(self, targets: Path) -> None:
        """Ask the processes that say in ``targets`` where they listen."""
        self._targets = targets
        self.seconds: dict[str, list[float]] = {}

    def look(self) -> None:
        """Ask each of them once.

        Raises:
            OSError: one does not answer.
        """
        for process, url in endpoints(self._targets):
            began = time.perf_counter()
            scrape(url)
            self.seconds.setdefault(process, []).append(time.perf_counter() - began)

"""Asks every process for its metrics, as Prometheus does, and takes the time."""

import json
import time
import urllib.request
from pathlib import Path

ANSWER_SECONDS = 10.0


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
        for path in sorted(self._targets.glob("*.json")):
            (told,) = json.loads(path.read_text())
            taken = self.seconds.setdefault(told["labels"]["job"], [])
            for address in told["targets"]:
                began = time.perf_counter()
                url = f"http://{address}/metrics"
                with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
                    answer.read()
                taken.append(time.perf_counter() - began)

"""What this process and those it has started take of the machine."""

import time
from contextlib import suppress

import psutil

REMEMBERED_SECONDS = 600.0
"""To find one's children every process of the machine is looked at: 10 ms and more of a scrape."""


class OwnProcess:
    """This process with its children, of which a new one is seen within ten minutes."""

    def __init__(self) -> None:
        """Look for no child yet."""
        self._own = psutil.Process()
        self._children: list[psutil.Process] = []
        self._looked_at = float("-inf")

    def memory_bytes(self) -> float:
        """Resident memory of all."""
        total = float(self._own.memory_info().rss)
        for child in self._living():
            with suppress(psutil.Error):  # ended just now, so it holds none
                total += child.memory_info().rss
        return total

    def cpu_seconds(self) -> float:
        """CPU time of all, with what children took that have ended."""
        times = self._own.cpu_times()
        total = float(sum(times[:4]))  # our own, and what ended children took
        for child in self._living():
            with suppress(psutil.Error):
                total += sum(child.cpu_times()[:2])
        return total

    def _living(self) -> list[psutil.Process]:
        if time.monotonic() - self._looked_at > REMEMBERED_SECONDS:
            self._looked_at = time.monotonic()
            self._children = self._own.children(recursive=True)
        return self._children

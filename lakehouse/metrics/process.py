"""What this process and those it has started take of the machine."""

import time
from contextlib import suppress

import psutil

REMEMBERED_SECONDS = 600.0
"""To find one's children every process of the machine is looked at, which takes 10 ms and more."""


class OwnProcess:
    """This process with its children, of which a new one is seen within ten minutes.

    Attributes:
        memory_bytes: resident memory of all, at the last look.
        cpu_seconds: CPU time of all until then, with what children took that have ended.
    """

    def __init__(self) -> None:
        """Nothing is looked at yet."""
        self._own = psutil.Process()
        self._children: list[psutil.Process] = []
        self._children_found_at = float("-inf")
        self.memory_bytes = self.cpu_seconds = 0.0

    def look(self) -> None:
        """Look at all of them now: some reads of the system's files each."""
        if time.monotonic() - self._children_found_at > REMEMBERED_SECONDS:
            self._children_found_at = time.monotonic()
            self._children = self._own.children(recursive=True)
        memory = float(self._own.memory_info().rss)
        cpu = float(sum(self._own.cpu_times()[:4]))  # our own, and what ended children took
        for child in self._children:
            with suppress(psutil.Error):  # ended just now, so it holds none
                cpu += sum(child.cpu_times()[:2])
                memory += child.memory_info().rss
        self.memory_bytes, self.cpu_seconds = memory, cpu

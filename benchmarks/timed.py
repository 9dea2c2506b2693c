"""What a stretch of work took: seconds, and CPU and memory of a process and all below it."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.processes import tree


@dataclass
class Timed:
    """One measurement; filled at the end of its block.

    Attributes:
        began_at: seconds since the epoch, so that processes side by side can be laid together.
        seconds: on a wall clock.
        cpu_seconds: of this process and its children.
        rss_bytes: the most memory that each of them has held, added up.
    """

    began_at: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    rss_bytes: int = 0


@contextmanager
def timed() -> Iterator[Timed]:
    """Measure the block; a child that ends within it is not counted."""
    found, read = Timed(time.time()), tree(os.getpid())
    before = sum(usage.cpu_seconds for usage in read().values())
    began = time.perf_counter()
    try:
        yield found
    finally:
        found.seconds = time.perf_counter() - began
        found.cpu_seconds = sum(usage.cpu_seconds for usage in read().values()) - before
        children = psutil.Process().children(recursive=True)
        found.rss_bytes = peak_rss_bytes() + sum(peak_rss_bytes(child.pid) for child in children)


def peak_rss_bytes(pid: int | None = None) -> int:
    """The most memory that a process has held, by default this one; 0 of a child that has ended.

    Linux carries ``ru_maxrss`` over from the process that started this one, ``VmHWM`` not.
    """
    status = Path(f"/proc/{pid or 'self'}/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields.get("VmHWM", "0 kB").split()[0]) * 1024
    if pid is not None:
        return int(psutil.Process(pid).memory_info().rss)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

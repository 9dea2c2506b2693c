"""What it takes until `traffic --help` stands on the screen."""

import resource
import subprocess
import sys
import time

from benchmarks.report import Result, spread

COMMAND = (sys.executable, "-m", "lakehouse", "--help")


def _once() -> tuple[float, float]:
    """CPU and wall seconds of one call, in a process of its own."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(COMMAND, stdout=subprocess.DEVNULL, check=True)  # noqa: S603  (ourselves)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def measure(repetitions: int) -> Result:
    """Ask ``repetitions`` times, after one call that fills the caches."""
    _once()
    cpu, wall = zip(*(_once() for _ in range(repetitions)), strict=True)
    return {"cpu_seconds_median": spread(cpu).median, "cpu_seconds": spread(cpu).__dict__,
            "wall_seconds": spread(wall).__dict__}  # fmt: skip

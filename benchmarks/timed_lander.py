"""`python -m benchmarks.timed_lander`: `traffic land --once`, with a watch around the landing.

What is timed is `Lander.run_once`: joining the consumer group, fetching, judging, the gate, the
dead letters, and every commit. Starting Python, importing and warming up Great Expectations are
not, since a lander runs for days.
"""

import json
import resource
import time
from pathlib import Path

from ingestion.lander import Lander, LandingPace
from lakehouse.services import kafka_bootstrap
from lakehouse.settings import Settings
from lakehouse.signals import stop_on_signals
from lakehouse.tables import Lake
from specs.loader import load_specs

LINUX_STATUS = Path("/proc/self/status")


def peak_rss_bytes() -> int:
    """The most memory that this process has held.

    Linux carries ``ru_maxrss`` over from the process that started this one, ``VmHWM`` not.
    """
    if LINUX_STATUS.exists():
        fields = dict(line.split(":", 1) for line in LINUX_STATUS.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Land what the topic holds and print the report."""
    settings = Settings()
    stopped = stop_on_signals()
    pace = LandingPace(settings.land_max_records, settings.land_max_seconds)
    lander = Lander(Lake(settings.lake, load_specs()), kafka_bootstrap(settings), pace)
    began, cpu_before = time.perf_counter(), time.process_time()
    try:
        lander.run_once(stopped)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_before
    finally:
        lander.close()
    timed = {"seconds": seconds, "cpu_seconds": cpu_seconds, "rss_bytes": peak_rss_bytes()}
    print(json.dumps({**lander.report(), **timed}))


if __name__ == "__main__":
    main()

"""`python -m benchmarks.timed_lander`: `traffic land --once`, with a watch around the landing.

What is timed is `Lander.run_once`: joining the consumer group, fetching, judging, the gate, the
dead letters, and every commit. Starting Python, importing and warming up Great Expectations are
not, since a lander runs for days.
"""

import json
from dataclasses import asdict

from benchmarks.timed import timed
from ingestion.lander import Lander, LandingPace
from lakehouse.services import kafka_access
from lakehouse.settings import Settings
from lakehouse.signals import stop_on_signals
from lakehouse.tables import Lake
from specs.loader import load_specs


def main() -> None:
    """Land what the topic holds and print the report."""
    settings = Settings()
    stopped = stop_on_signals()
    pace = LandingPace(settings.land_max_records, settings.land_max_seconds)
    lander = Lander(Lake(settings.lake, load_specs()), kafka_access(settings, "lander"), pace)
    try:
        with timed() as took:
            lander.run_once(stopped)
    finally:
        lander.close()
    print(json.dumps({**lander.report(), **asdict(took)}))


if __name__ == "__main__":
    main()

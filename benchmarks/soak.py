"""`traffic bench soak`: what grows while everything runs: memory, files, age of the scores."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.freshness import HISTORY, PARTITIONS, make_champion
from benchmarks.home import folder_on_disk, temporary_home
from benchmarks.live import LiveLoad, run_live
from benchmarks.processes import Meter, tree
from benchmarks.report import Result, audited
from lakehouse.audit import balance
from lakehouse.delta_log import LOG, log_files
from lakehouse.freshness import freshness_seconds, p95_by_second
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.tables import Lake

MAINTAIN_SECONDS = 60.0
Series = list[tuple[float, float]]
"""Seconds since the beginning, and a value."""


@dataclass(frozen=True)
class Growth:
    """One figure over the run.

    Attributes:
        first: median of the first quarter.
        last: median of the last quarter.
        highest: of all.
        per_hour: slope of the straight line through the last third, by least squares: in a run of
            two hours all that has an end, as names of replaced files have, has reached it by then.
    """

    first: float
    last: float
    highest: float
    per_hour: float


def growth(series: Series) -> Growth:
    """How a figure grew; of at least two samples."""
    values = [value for _, value in series]
    quarter = max(len(values) // 4, 1)
    third = series[len(series) * 2 // 3 :]
    return Growth(
        statistics.median(values[:quarter]), statistics.median(values[-quarter:]), max(values),
        slope(third) * 3600,
    )  # fmt: skip


def slope(series: Sequence[tuple[float, float]]) -> float:
    """Change a second of the straight line through ``series``; 0 where there are no two moments."""
    times = [at for at, _ in series]
    if len(set(times)) < 2:
        return 0.0
    return statistics.linear_regression(times, [value for _, value in series]).slope


@dataclass
class Diary:
    """Samples by name: ``rss:`` a process, ``files:``, ``kept_files:``, ``log_files:`` a table.

    Kept files are those on the disk: the table's own, and replaced ones until no reader needs them.
    ``p95_seconds``, of the readings of each second, is told by the logs at the end.
    """

    lake: Lake
    began: float = field(default_factory=time.monotonic)
    series: dict[str, Series] = field(default_factory=dict)

    def write(self, rss_bytes: Mapping[str, int]) -> None:
        """Note memory by process, files and log files now."""
        at = time.monotonic() - self.began
        found = {f"rss:{name}": value for name, value in rss_bytes.items()}
        for name in self.lake.specs.tables:
            folder = folder_on_disk(self.lake, name)
            if (folder / LOG).exists():
                self.lake.table(name).refresh()
                found[f"files:{name}"] = len(self.lake.table(name).files())
                kept = (path for path in folder.rglob("*.parquet") if LOG not in path.parts)
                found[f"kept_files:{name}"] = sum(1 for _ in kept)
                found[f"log_files:{name}"] = len(log_files(folder))
        for name, value in found.items():
            self.series.setdefault(name, []).append((at, float(value)))


def measure(load: LiveLoad) -> Result:
    """Make a champion, run the live load with maintenance beside, and tell what grew.

    Raises:
        Unavailable: a server or a process failed, or gold did not catch up.
    """
    with temporary_home((KAFKA, MLFLOW), PARTITIONS) as home:
        lake = home.lake(load.segments)
        make_champion(home, load)
        diary = Diary(home.lake(load.segments))
        with home.child("maintain", "--quiet", "--every", str(MAINTAIN_SECONDS)) as upkeep:
            beside = Meter()
            beside.watch("maintain", tree(upkeep.process.pid))

            def note(meter: Meter) -> None:
                upkeep.check()
                diary.write(meter.rss_bytes() | beside.rss_bytes())

            seen = run_live(home, lake, load, note)
        fresh = freshness_seconds(lake, since_version=seen.since_version)
        diary.series["p95_seconds"] = [
            (second.timestamp(), p95) for second, p95 in p95_by_second(lake, seen.since_version)
        ]
        checks = balance(lake, home.offsets())
    return {
        "seconds": seen.seconds,
        "events_per_second": seen.records / seen.seconds,
        "history_hours": HISTORY.total_seconds() / 3600,
        "p50_seconds": fresh["p50_seconds"], "p95_seconds": fresh["p95_seconds"],
        "growth": {name: asdict(growth(series)) for name, series in diary.series.items()},
        "load": asdict(load),
        **audited(checks),
    }  # fmt: skip

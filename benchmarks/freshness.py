"""`traffic bench freshness`: how long a reading takes from Kafka to gold under a live load."""

import math
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc

from benchmarks.home import BenchHome, temporary_home
from benchmarks.live import LiveLoad, Observed, run_live, say
from benchmarks.report import Result, audited, upper
from benchmarks.through_trino import RowWatch, returned_seconds, watching
from lakehouse.audit import Check, balance
from lakehouse.freshness import Quantiles, freshness_seconds, hop_seconds
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.runtime.trino import TRINO
from lakehouse.tables import Lake
from lakehouse.trino.client import Endpoint

PARTITIONS = 4
HISTORY = timedelta(hours=24)
HISTORY_SECONDS_BETWEEN_READINGS = 100
"""Of one segment: three readings a window."""

HISTORY_BATCH_BYTES = 20_000_000
"""Of bronze that the stream takes at once from history: ten times its own choice.

With 40,000 segments each batch writes the open windows of all of them, for as long as history is.
"""


@dataclass(frozen=True)
class Shape:
    """What the load meets.

    Attributes:
        partitions: of the topic.
        landers: of the group.
        history: in the tables when it begins.
        seconds_between: readings of one segment in that history.
    """

    partitions: int = PARTITIONS
    landers: int = 1
    history: timedelta = HISTORY
    seconds_between: float = HISTORY_SECONDS_BETWEEN_READINGS


NOT_THE_PIPELINE = {"producer", "bench"}


def measure(load: LiveLoad, shape: Shape = Shape(), *, through_trino: bool = False) -> Result:
    """Make a champion from simulated history, run the live load, and tell how fresh gold was.

    Args:
        load: the live load.
        shape: what it meets.
        through_trino: also ask Trino for the scores all the while, and tell when each reading
            was counted in a row that it returned.

    Raises:
        Unavailable: a server or a process failed, or gold did not catch up.
    """
    servers = (KAFKA, MLFLOW, TRINO) if through_trino else (KAFKA, MLFLOW)
    with temporary_home(servers, shape.partitions) as home:
        lake = home.lake(load.segments)
        make_champion(home, load, shape)
        with ExitStack() as beside:
            watch = beside.enter_context(_watching(home, lake)) if through_trino else None
            seen = run_live(home, lake, load, landers=shape.landers)
        fresh = freshness_seconds(lake, since_version=seen.since_version)
        hops = hop_seconds(lake, since_version=seen.since_version)
        checks = [
            *balance(lake, home.offsets()),
            Check("readings measured", seen.landed, int(fresh["readings"] or 0)),
            Check("dead letters", 0, int(seen.reports["lander"]["dead_letters"])),
        ]
        returned: Result = {}
        if watch is not None:
            figures = returned_seconds(lake, watch.table(), _landed_at(lake, seen.since_version))
            returned = {f"trino_{name}": value for name, value in figures.items()}
            returned["trino_queries"] = watch.queries
            checks.append(
                Check("readings returned by Trino", seen.landed, int(figures["readings"] or 0))
            )
    return {**summary(load, seen, fresh), **returned, "hops": hops, **audited(checks)}


def _watching(home: BenchHome, lake: Lake) -> AbstractContextManager[RowWatch]:
    endpoint = Endpoint(home.endpoints["trino"], "analyst")
    scores = lake.table("gold.congestion_scores")
    return watching(endpoint, scores, home.specs.ml.horizons_minutes[0])


def _landed_at(lake: Lake, version: int) -> datetime:
    """Newest ``landed_at`` of the readings that bronze held at ``version``."""
    table = lake.table("bronze.traffic_event")
    moment: datetime = pc.max(table.at(version).to_table(["landed_at"])["landed_at"]).as_py()
    return moment


def summary(load: LiveLoad, seen: Observed, fresh: Quantiles) -> Result:
    """Put the figures together.

    A CPU second is one of servers, lander or stream: the producer is the load. The gates' share is
    of lander and stream from the first reading of the load to their end, which is what they report.
    """
    pipeline = sum(
        seconds for name, seconds in seen.cpu_seconds.items() if name not in NOT_THE_PIPELINE
    )
    gates = sum(report["gate_cpu_seconds"] for report in seen.reports.values())
    measuring = sum(report["metrics_cpu_seconds"] for report in seen.reports.values())
    scrapes = {name: taken for name, taken in seen.scrape_seconds.items() if taken}
    return {
        **fresh,
        "events_per_second": seen.records / seen.seconds,
        "events_per_cpu_second": seen.records / pipeline,
        "gate_cpu_ratio": gates / seen.pipeline_cpu_seconds,
        "metrics_cpu_ratio": (measuring + seen.exporter_cpu_seconds) / seen.pipeline_cpu_seconds,
        "scrape_seconds_max": max((max(taken) for taken in scrapes.values()), default=math.nan),
        "scrape_seconds": {name: asdict(upper(taken)) for name, taken in scrapes.items()},
        "seconds": seen.seconds,
        "cpu_seconds": dict(seen.cpu_seconds),
        "rss_bytes": dict(seen.rss_bytes),
        "lag": {table: asdict(behind) for table, behind in seen.lag.items()},
        "batches": {name: report["batches"] for name, report in seen.reports.items()},
        "load": asdict(load),
    }


def make_champion(home: BenchHome, load: LiveLoad, shape: Shape = Shape()) -> None:
    """History through every real step: landed, streamed, learnt from, and scored.

    The tables then hold a day, as they would in service: a commit's cost depends on it.
    """
    say(f"making a champion from {shape.history / timedelta(hours=1):g} h of simulated history")
    end = datetime.now(UTC)
    start = f"{end - shape.history:%Y-%m-%dT%H:%M:%S}"
    history = LiveLoad(
        rate=load.segments / shape.seconds_between,
        segments=load.segments,
        seed=load.seed + 1,
    )
    seconds = str(shape.history.total_seconds())
    home.run(*history.command("--unpaced", "--seconds", seconds, "--start", start))
    home.run("land", "--once")
    home.run("stream", "--once", TRAFFIC_STREAM_MAX_BYTES=str(HISTORY_BATCH_BYTES))
    home.run("silver", "reconcile")
    home.run("model", "train", "--json")
    home.run("gold", "recompute", "--from", start, "--to", f"{end:%Y-%m-%dT%H:%M:%S}")

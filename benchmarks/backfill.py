"""`traffic bench backfill`: how fast silver and gold are made anew from bronze."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.freshness import PARTITIONS, make_champion
from benchmarks.home import temporary_home
from benchmarks.live import LiveLoad, say
from benchmarks.processes import Meter, taken, tree
from benchmarks.report import Result, audited, spread
from benchmarks.timed_backfill import lake_of
from lakehouse.audit import Check, balance
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.tables import Lake

LEAD = timedelta(days=2)
"""Before now; the champion's day of history is within it."""


@dataclass(frozen=True)
class BackfillLoad:
    """What is recomputed, and how often.

    Attributes:
        records: that are sent beside the champion's day of history.
        rate: of them, a second of event time.
        segments: of the simulated city.
        repetitions: that are measured; one more comes first and is thrown away.
        seed: decides every record.
    """

    records: int = 2_000_000
    rate: float = 2000.0
    segments: int = 500
    repetitions: int = 5
    seed: int = 0


def measure(load: BackfillLoad) -> Result:
    """Land a topic, then recompute all of it into empty tables, again and again.

    Raises:
        Unavailable: a server or a process failed.
    """
    with temporary_home((KAFKA, MLFLOW), PARTITIONS) as home:
        home.lake(load.segments)
        live = LiveLoad(load.rate, load.segments, seed=load.seed)
        make_champion(home, live)
        seconds = load.records / load.rate
        start = datetime.now(UTC) - timedelta(seconds=seconds)
        home.run(
            *live.command("--unpaced"), "--seconds", str(seconds),
            "--start", f"{start:%Y-%m-%dT%H:%M:%S}",
        )  # fmt: skip
        home.run("land", "--once")
        now = datetime.now(UTC)
        say("bronze is full; one round to warm up")
        meter = Meter()
        for name, pid in home.server_pids.items():
            meter.watch(name, tree(pid))
        before = meter.sample()
        report = home.run(
            (now - LEAD).isoformat(), now.isoformat(), str(load.repetitions),
            module="benchmarks.timed_backfill",
        )  # fmt: skip
        servers, checks = taken(before, meter.sample()), list[Check]()
        for number in range(1, load.repetitions + 1):
            lake = Lake(lake_of(home.settings.home, number), home.specs)
            checks += balance(lake, home.offsets())
        bronze = Lake(home.settings.lake, home.specs).table("bronze.traffic_event")
        rows = bronze.dataset().count_rows()
    return {
        **summary(rows, report["rounds"]), "load": asdict(load), "servers_cpu_seconds": servers,
        "servers_rss_bytes": dict(meter.peak_rss_bytes), **audited(checks),
    }  # fmt: skip


def summary(rows: int, rounds: Sequence[Mapping[str, Any]]) -> Result:
    """Readings of bronze a second, through both layers and each of them.

    Args:
        rows: of bronze.
        rounds: each with ``silver`` and ``gold``, and their ``seconds``, ``cpu_seconds``,
            ``rss_bytes``.
    """
    both = [one["silver"]["seconds"] + one["gold"]["seconds"] for one in rounds]
    cpu = [one["silver"]["cpu_seconds"] + one["gold"]["cpu_seconds"] for one in rounds]
    rates = spread([rows / seconds for seconds in both])
    return {
        "events_per_second": rates.median,
        "events_per_cpu_second": spread([rows / seconds for seconds in cpu]).median,
        "records": rows,
        "rss_bytes": max(one["gold"]["rss_bytes"] for one in rounds),
        "spread": {
            "events_per_second": asdict(rates),
            "silver_seconds": asdict(spread([one["silver"]["seconds"] for one in rounds])),
            "gold_seconds": asdict(spread([one["gold"]["seconds"] for one in rounds])),
        },
        "runs": [dict(one) for one in rounds],
    }

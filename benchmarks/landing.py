"""`traffic bench landing`: how fast one lander process empties a topic."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.home import BenchHome, temporary_home
from benchmarks.live import LiveLoad, say
from benchmarks.report import Result, audited, spread
from lakehouse.audit import Check, landing_balance
from lakehouse.runtime.kafka import KAFKA
from lakehouse.tables import Lake

SEGMENTS = 500
EVENT_RATE = 2000.0
"""Readings a second of event time: what the lander finds after an outage of the live load."""


@dataclass(frozen=True)
class LandingLoad:
    """What is landed, and how often.

    Attributes:
        records: in the topic, malformed ones included, to within a per cent of a per cent.
        repetitions: that are measured; one more comes first and is thrown away.
        malformed: ratio of extra records that are wrong, all kinds alike.
        seed: decides every record.
        partitions: of the topic.
    """

    records: int = 2_000_000
    repetitions: int = 5
    malformed: float = 0.01
    seed: int = 0
    partitions: int = 4


def measure(load: LandingLoad) -> Result:
    """Fill a topic once, then land all of it again and again, each time into empty tables.

    Raises:
        Unavailable: a server or a process failed.
    """
    with temporary_home((KAFKA,), load.partitions) as home:
        truth = fill(home, load)
        say(f"the topic holds {truth['records']:,} records; one run to warm up")
        runs = []
        for number in range(load.repetitions + 1):
            run = land(home, truth, number)
            if number:
                runs.append(run)
                say(f"run {number}: {run['records'] / run['seconds']:,.0f} events/s")
    return summary(runs)


def summary(runs: Sequence[Mapping[str, Any]]) -> Result:
    """Median over the runs; memory is the worst, and the audit holds only if each one does.

    Args:
        runs: each with ``records``, ``seconds``, ``cpu_seconds``, ``gate_cpu_seconds``,
            ``rss_bytes`` and ``audit_ok``.
    """
    rates = spread([run["records"] / run["seconds"] for run in runs])
    by_cpu = spread([run["records"] / run["cpu_seconds"] for run in runs])
    gates = spread([run["gate_cpu_seconds"] / run["cpu_seconds"] for run in runs])
    return {
        "events_per_second": rates.median,
        "events_per_cpu_second": by_cpu.median,
        "gate_cpu_ratio": gates.median,
        "rss_bytes": max(run["rss_bytes"] for run in runs),
        "audit_ok": all(run["audit_ok"] for run in runs),
        "records": runs[0]["records"],
        "spread": {
            "events_per_second": asdict(rates), "events_per_cpu_second": asdict(by_cpu),
        },
        "runs": [dict(run) for run in runs],
    }  # fmt: skip


def fill(home: BenchHome, load: LandingLoad) -> dict[str, Any]:
    """Send the records with the real producer; returns what it says was sent."""
    seconds = load.records / (1 + load.malformed) / EVENT_RATE
    start = datetime.now(UTC) - timedelta(seconds=seconds + 60)
    truth: dict[str, Any] = home.run(
        *LiveLoad(EVENT_RATE, SEGMENTS, seed=load.seed).command("--unpaced"),
        "--seconds", str(seconds), "--start", f"{start:%Y-%m-%dT%H:%M:%S}",
        "--malformed", str(load.malformed),
    )  # fmt: skip
    return truth


def land(home: BenchHome, truth: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Land the whole topic into empty tables. They hold the offsets, so it starts at the first."""
    folder = start_landing(home, number)
    return landed(home, truth, folder, home.run(module="benchmarks.timed_lander", home=folder))


def start_landing(home: BenchHome, number: int) -> Path:
    """A folder with empty tables; returns it."""
    folder = home.settings.home / f"run{number}"
    home.lake(SEGMENTS, folder / "lake")
    return folder


def landed(
    home: BenchHome, truth: Mapping[str, Any], folder: Path, report: Mapping[str, Any]
) -> dict[str, Any]:
    """The report with the verdict of the books; the tables go."""
    checks = landing_balance(Lake(folder / "lake", home.specs), home.offsets())
    rows, dead = expected(truth)
    checks += [
        Check("rows landed as sent", rows, report["rows"]),
        Check("dead letters as sent", dead, report["dead_letters"]),
    ]
    shutil.rmtree(folder)
    return {
        "records": report["rows"] + report["dead_letters"],
        **report,
        **audited(checks),
    }


def expected(truth: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and dead letters that the producer's account of what it sent must end as."""
    return truth["events"] + truth["duplicates"], sum(truth["malformed"].values())

"""`traffic bench landing --peers`: one lander beside others on the same records.

Same run, same broker, same topic, same records a commit, same fields parsed and the raw record
kept. The peers take turns within each repetition, so that what slows the machine slows all alike;
ratios are made within a repetition.
"""

import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from benchmarks.home import BenchHome, temporary_home
from benchmarks.landing import LandingLoad, fill, land, landed, start_landing
from benchmarks.live import say
from benchmarks.peers.bare_loop import event_schema
from benchmarks.processes import Child, Meter, environment, python, taken, tree
from benchmarks.report import Result, spread
from lakehouse.runtime.kafka import KAFKA
from lakehouse.settings import Settings
from specs.errors import Unavailable

LANDER, TWO, EXTERNAL = "lander", "two_landers", "peer_command"
MODULES = {
    "bare_consumer": "benchmarks.peers.bare_consumer",
    "bare_loop": "benchmarks.peers.bare_loop",
    "spark": "benchmarks.peers.spark_append",
    "spark_large_batches": "benchmarks.peers.spark_append",
}
LARGE_BATCHES = 10
"""Commits of so many times the records: what Spark gains where freshness does not count."""

WRITES_NOTHING = {"bare_consumer"}
LOOK_SECONDS, PATIENCE_SECONDS = 0.1, 300.0

Run = dict[str, Any]


@dataclass(frozen=True)
class Peers:
    """Who else empties the topic.

    Attributes:
        names: of `MODULES`.
        command: any other program, with ``{bootstrap}``, ``{topic}``, ``{table}`` and
            ``{records}`` in it; its Delta table exists, with the event's fields. It is ended once
            the table holds every record. None: no other.
    """

    names: tuple[str, ...] = tuple(MODULES)
    command: str | None = None


def measure(load: LandingLoad, peers: Peers) -> Result:
    """Fill a topic once with sound records; then everyone lands all of it, turn by turn.

    Raises:
        Unavailable: a server or a process failed.
    """
    load = replace(load, malformed=0.0)
    runs: dict[str, list[Run]] = {}
    with temporary_home((KAFKA,), load.partitions) as home:
        truth = fill(home, load)
        say(f"the topic holds {truth['records']:,} records; one round to warm up")
        for number in range(load.repetitions + 1):
            for name, run in _entrants(home, truth, peers).items():
                found = _metered(home, run, number)
                say(f"{number} {name}: {found['records'] / found['seconds']:,.0f} events/s")
                if number:
                    runs.setdefault(name, []).append(found)
    return summary(runs)


def summary(runs: Mapping[str, Sequence[Run]]) -> Result:
    """Each entrant's figures, and the lander's ratios to them, repetition by repetition.

    Args:
        runs: by entrant, each with ``records``, ``seconds``, ``cpu_seconds``, ``rss_bytes``,
            ``kafka_cpu_seconds`` and ``audit_ok``; as many of each.
    """
    lander = runs[LANDER]
    entrants, ratios = {}, {}
    for name, found in runs.items():
        entrants[name] = {
            "events_per_second": asdict(spread([_rate(run) for run in found])),
            "events_per_cpu_second": asdict(spread([_by_cpu(run) for run in found])),
            "rss_bytes": max(run["rss_bytes"] for run in found),
            "kafka_cpu_seconds": asdict(spread([run["kafka_cpu_seconds"] for run in found])),
            "kafka_rss_bytes": max(run["kafka_rss_bytes"] for run in found),
            "audit_ok": all(run["audit_ok"] for run in found),
            "runs": list(found),
        }
        if name != LANDER:
            pairs = list(zip(lander, found, strict=True))
            ratios[name] = {
                "per_second": asdict(spread([_rate(a) / _rate(b) for a, b in pairs])),
                "per_cpu_second": asdict(spread([_by_cpu(a) / _by_cpu(b) for a, b in pairs])),
            }
    return {
        "records": lander[0]["records"],
        "audit_ok": all(one["audit_ok"] for one in entrants.values()),
        "entrants": entrants,
        "lander_to": ratios,
    }


def _rate(run: Run) -> float:
    return float(run["records"] / run["seconds"])


def _by_cpu(run: Run) -> float:
    return float(run["records"] / run["cpu_seconds"])


def _entrants(
    home: BenchHome, truth: Mapping[str, Any], peers: Peers
) -> dict[str, Callable[[int], Run]]:
    found: dict[str, Callable[[int], Run]] = {
        LANDER: lambda number: land(home, truth, number),
        TWO: lambda number: _land_by_two(home, truth, number),
    }
    for name in peers.names:
        found[name] = lambda number, name=name: _peer(home, truth, name)  # type: ignore[misc]
    if peers.command is not None:
        command = peers.command
        found[EXTERNAL] = lambda number: _external(home, truth, command)
    return found


def _metered(home: BenchHome, run: Callable[[int], Run], number: int) -> Run:
    """A run, with what the broker took of CPU and memory meanwhile."""
    meter = Meter()
    meter.watch("kafka", tree(home.server_pids["kafka"]))
    before = meter.sample()
    found = run(number)
    after = meter.sample()
    return {
        **found, "kafka_cpu_seconds": taken(before, after)["kafka"],
        "kafka_rss_bytes": meter.peak_rss_bytes["kafka"],
    }  # fmt: skip


def _land_by_two(home: BenchHome, truth: Mapping[str, Any], number: int) -> Run:
    """Two members of the group share the partitions; from the first one's start to the last's end.

    The rebalance, which gives the second its half, is within it.
    """
    folder = start_landing(home, number)
    with ExitStack() as stack:
        children = [
            stack.enter_context(home.child(module="benchmarks.timed_lander", home=folder))
            for _ in range(2)
        ]
        reports = [child.wait() for child in children]
    began = min(one["began_at"] for one in reports)
    ended = max(one["began_at"] + one["seconds"] for one in reports)
    sums = {
        name: sum(one[name] for one in reports)
        for name in ("rows", "dead_letters", "cpu_seconds", "gate_cpu_seconds", "rss_bytes")
    }
    shares = [one["rows"] for one in reports]
    return landed(home, truth, folder, {**sums, "seconds": ended - began, "shares": shares})


def _peer(home: BenchHome, truth: Mapping[str, Any], name: str) -> Run:
    folder = home.settings.home / "peer"
    table, settings = folder / "table", Settings()
    variables = {
        "PEER_BOOTSTRAP": home.endpoints["kafka"], "PEER_TABLE": str(table),
        "PEER_RECORDS": str(truth["records"]),
        "PEER_MAX_RECORDS": str(settings.land_max_records),
        "PEER_MAX_SECONDS": str(settings.land_max_seconds), "TRAFFIC_HOME": str(folder),
    }  # fmt: skip
    if name == "spark_large_batches":
        variables["PEER_SPARK_RECORDS"] = str(settings.land_max_records * LARGE_BATCHES)
    log = home.settings.log / f"{name}.log"
    with Child(name, python(MODULES[name]), environment(**variables), log) as child:
        report = child.wait()
    return _judged(truth, name, {"records": report["rows"], **report}, table, folder)


def _external(home: BenchHome, truth: Mapping[str, Any], command: str) -> Run:
    """Any other program, until its table holds every record; starting it is within its time."""
    folder = home.settings.home / "peer"
    table = folder / "table"
    table.mkdir(parents=True)
    DeltaTable.create(table, schema=event_schema())
    words = shlex.split(command.format(
        bootstrap=home.endpoints["kafka"], topic=home.specs.topics["traffic_event"].topic,
        table=table, records=truth["records"],
    ))  # fmt: skip
    meter = Meter()
    log = home.settings.log / f"{EXTERNAL}.log"
    began = time.perf_counter()
    with Child(EXTERNAL, words, environment(), log) as child:
        meter.watch(EXTERNAL, tree(child.process.pid))
        while _rows(table) < truth["records"]:
            cpu = meter.sample()[EXTERNAL]
            if time.perf_counter() - began > PATIENCE_SECONDS:
                raise Unavailable(f"{EXTERNAL}: {_rows(table):,} records after 5 minutes")
            if child.process.poll() is not None:
                child.check()
            time.sleep(LOOK_SECONDS)
        seconds, cpu = time.perf_counter() - began, meter.sample()[EXTERNAL]
    report = {
        "records": _rows(table), "seconds": seconds, "cpu_seconds": cpu,
        "rss_bytes": meter.peak_rss_bytes[EXTERNAL],
    }  # fmt: skip
    return _judged(truth, EXTERNAL, report, table, folder)


def _rows(table: Path) -> int:
    return int(sum(pa.table(DeltaTable(table).get_add_actions())["num_records"].to_pylist()))


def _judged(
    truth: Mapping[str, Any], name: str, report: Mapping[str, Any], table: Path, folder: Path
) -> Run:
    """The run, and whether every record is in the table, once."""
    is_ok = report["records"] == truth["records"]
    if name not in WRITES_NOTHING:
        delta = DeltaTable(table).to_pyarrow_dataset()
        key = ["partition", "offset"] if "offset" in delta.schema.names else ["event_id"]
        places = delta.to_table(columns=key)
        distinct = places.group_by(key).aggregate([]).num_rows
        repeated = truth["duplicates"] if key == ["event_id"] else 0
        is_ok = is_ok and places.num_rows == truth["records"]
        is_ok = is_ok and distinct + repeated == truth["records"]
    if not is_ok:
        print(f"{name}: not every record is in its table once", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    return {**report, "audit_ok": is_ok}

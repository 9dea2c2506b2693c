"""`traffic bench ramp`: the rate at which gold falls behind, for the pipeline and a peer."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from deltalake import DeltaTable

from benchmarks.freshness import PARTITIONS, make_champion
from benchmarks.gold_age import GoldLog, Moment, ages, drift
from benchmarks.home import BenchHome, temporary_home
from benchmarks.lag import GOLD
from benchmarks.live import START_SECONDS, LiveLoad, Watched, pipeline, say
from benchmarks.processes import Child, environment, python, taken
from benchmarks.report import Result, audited
from lakehouse.audit import Check, balance
from lakehouse.location import Place
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.tables import Lake

OURS, MEDALLION = "pipeline", "medallion"
SENT_RATIO, DRIFT = 0.97, 0.05
"""A step counts where so much of its rate was sent, and gold's age grew by less a second."""

DRAIN_SECONDS, STOP_SECONDS = 240.0, 300.0
LOOK_SECONDS = 1.0
HALF_A_MILLISECOND = 0.0005
"""Kafka's clock has whole ones."""


@dataclass(frozen=True)
class Climb:
    """The rates, and how long each is held.

    Attributes:
        rates: readings per second, rising; the climb ends at the first that is not kept up with.
        refinements: then so many more between the last good and the first bad, halving in ratio.
        segments: of the simulated city.
        seed: decides every reading.
    """

    rates: tuple[float, ...] = (500, 2_000, 5_000, 10_000, 20_000, 40_000, 80_000)
    refinements: int = 2
    segments: int = 500
    seed: int = 0


@dataclass(frozen=True)
class Pace:
    """How long a rate is held: for several batches, however long a contender's are.

    Attributes:
        settle_seconds: of a step, before it is measured.
        step_seconds: of a step that are measured.
        hopeless_seconds: gold is further behind than any batch is long, and the step ends early.
    """

    settle_seconds: float
    step_seconds: float
    hopeless_seconds: float


PACES = {OURS: Pace(8, 30, 20), MEDALLION: Pace(40, 120, 120)}
"""A round of the medallion takes 20 s where one of ours takes half a second."""


@dataclass(frozen=True)
class Contender:
    """Something that keeps a gold table up to the topic.

    Attributes:
        name: for people.
        watched: its processes.
        gold: folder of its table.
    """

    name: str
    watched: Watched
    gold: Place

    @property
    def pace(self) -> Pace:
        """How long its steps are."""
        return PACES[self.name]


@dataclass(frozen=True)
class Step:
    """One rate, held.

    Attributes:
        rate: asked for.
        events_per_second: that Kafka took.
        began: of the measurement, in seconds since the epoch.
        ended: of it.
        drift: seconds by which gold's age grew a second.
        behind_seconds: gold's age at the end, of readings of this step.
        hopeless_seconds: of the contender's pace.
        cores: CPU seconds a second, by process.
        rss_bytes: at the end, by process.
    """

    rate: float
    events_per_second: float
    began: float
    ended: float
    drift: float
    behind_seconds: float
    hopeless_seconds: float
    cores: Mapping[str, float]
    rss_bytes: Mapping[str, int]

    @property
    def is_sent(self) -> bool:
        """The producer made the rate."""
        return self.events_per_second >= SENT_RATIO * self.rate

    @property
    def is_kept_up(self) -> bool:
        """The lag is flat under the whole rate."""
        return self.is_sent and self.drift < DRIFT and self.behind_seconds < self.hopeless_seconds


def between(good: float, bad: float) -> float:
    """The rate half way in ratio, to two digits."""
    middle = math.sqrt(good * bad)
    return float(round(middle, 1 - int(math.log10(middle))))


def climb(plan: Climb, hold: Callable[[float], Step]) -> list[Step]:
    """Hold each rate until one is not kept up with, then close in on the knee."""
    steps = []
    for rate in plan.rates:
        steps.append(hold(rate))
        if not steps[-1].is_kept_up:
            break
    for _ in range(plan.refinements):
        good = max((step.rate for step in steps if step.is_kept_up), default=None)
        bad = min((step.rate for step in steps if not step.is_kept_up), default=None)
        if good is None or bad is None or bad <= good:
            break
        steps.append(hold(between(good, bad)))
    return steps


def summary(steps: Sequence[Step], moments: Sequence[Moment]) -> Result:
    """The steps with their freshness, and the knee: the highest rate that was kept up with.

    Args:
        steps: as they were held.
        moments: of gold, up to when it had everything.
    """
    kept = [step for step in steps if step.is_kept_up]
    knee = max(kept, key=lambda step: step.rate, default=None)
    first_bad = min((step.rate for step in steps if not step.is_kept_up), default=None)
    return {
        "sustained_events_per_second": knee.events_per_second if knee else 0.0,
        "knee": {"holds": knee.rate if knee else None, "falls_behind": first_bad},
        "steps": [_told(step, moments) for step in sorted(steps, key=lambda step: step.rate)],
    }


def _told(step: Step, moments: Sequence[Moment]) -> Result:
    fresh = ages(moments, step.began, step.ended)
    return {
        **asdict(step), "is_sent": step.is_sent, "is_kept_up": step.is_kept_up,
        **(asdict(fresh) if fresh else {}),
    }  # fmt: skip


def measure(plan: Climb, *, with_peer: bool) -> Result:
    """Let the pipeline climb, then the naive medallion on the same broker and topic.

    Raises:
        Unavailable: a server or a process failed, or gold did not catch up between two steps.
    """
    with temporary_home((KAFKA, MLFLOW), PARTITIONS) as home:
        lake = home.lake(plan.segments)
        make_champion(home, LiveLoad(segments=plan.segments, seed=plan.seed))
        with pipeline(home) as running:
            ours = Contender(OURS, running.watched, lake.folder(GOLD))
            found = {OURS: _climbed(home, plan, ours)}
            running.finish()
        home.run("silver", "reconcile")
        checks = balance(lake, home.offsets())
        if with_peer:
            begin = home.offsets()
            with _medallion(home, lake, begin) as peer:
                found[MEDALLION] = _climbed(home, plan, peer)
            checks += _peer_checks(home, begin)
    paces = {name: asdict(PACES[name]) for name in found}
    return {
        **_goals(found), "contenders": found, "load": asdict(plan), "paces": paces,
        **audited(checks),
    }  # fmt: skip


def _goals(found: Mapping[str, Result]) -> Result:
    """What is promised of the pipeline, and its ratio to the peer."""
    ours = found[OURS]
    at = {f"p95_seconds_at_{step['rate']:.0f}": step.get("p95_seconds") for step in ours["steps"]}
    ratio = {}
    if MEDALLION in found:
        peers = found[MEDALLION]["sustained_events_per_second"]
        ratio["sustained_to_medallion"] = (
            ours["sustained_events_per_second"] / peers if peers else None
        )
    sustained = ours["sustained_events_per_second"]
    return {"sustained_events_per_second": sustained, **ratio, **at}


def _climbed(home: BenchHome, plan: Climb, contender: Contender) -> Result:
    """Warm up, climb, and wait until gold has everything."""
    log = GoldLog(contender.gold)
    say(f"{contender.name}: starting")
    home.run(*LiveLoad(500, plan.segments, seed=plan.seed).command("--seconds", "1"))
    _drain(home, contender, log, START_SECONDS)

    def hold(rate: float) -> Step:
        step = _hold(home, plan, contender, log, rate)
        verdict = "kept up" if step.is_kept_up else "fell behind"
        say(f"{contender.name}: {rate:,.0f}/s {verdict}: {step.events_per_second:,.0f} sent,"
            f" gold {step.behind_seconds:.1f} s behind, drift {step.drift:.2f}")  # fmt: skip
        return step

    return summary(climb(plan, hold), log.look())


def _hold(home: BenchHome, plan: Climb, contender: Contender, log: GoldLog, rate: float) -> Step:
    load, watched = LiveLoad(rate, plan.segments, seed=plan.seed), contender.watched
    pace = contender.pace
    resumed = time.time()
    with home.child(*load.command()) as producer:
        watched.add("producer", producer)
        watched.look(pace.settle_seconds)
        before, sent, began = watched.meter.sample(), _sent(home), time.time()
        while time.time() - began < pace.step_seconds and (
            log.behind(resumed) < pace.hopeless_seconds
        ):
            watched.look(LOOK_SECONDS)
        after, records, ended = watched.meter.sample(), _sent(home) - sent, time.time()
        rss, behind = watched.meter.rss_bytes(), log.behind(resumed)
        producer.stop()
        watched.forget(producer)
    seconds = ended - began
    step = Step(
        rate, records / seconds, began, ended, drift(log.moments, began, ended), behind,
        pace.hopeless_seconds,
        {name: used / seconds for name, used in taken(before, after).items()}, rss,
    )  # fmt: skip
    _drain(home, contender, log, DRAIN_SECONDS)
    return step


def _sent(home: BenchHome) -> int:
    return sum(end for _, end in home.offsets().values())


def _drain(home: BenchHome, contender: Contender, log: GoldLog, seconds: float) -> None:
    """Wait until gold counts the newest reading that Kafka holds."""
    newest = home.newest_timestamp()

    def is_there() -> bool:
        moments = log.look()
        return bool(moments) and moments[-1].reached > newest - HALF_A_MILLISECOND

    contender.watched.until(is_there, seconds)


@contextmanager
def _medallion(
    home: BenchHome, lake: Lake, begin: Mapping[int, tuple[int, int]]
) -> Iterator[Contender]:
    """Spark's three queries from the end of the topic on; ended when gold has everything."""
    topic, root = home.specs.topics["traffic_event"].topic, _root(home)
    variables = {
        "PEER_BOOTSTRAP": home.endpoints["kafka"], "PEER_TABLE": str(root),
        "PEER_RECORDS": "0", "PEER_MAX_RECORDS": "0", "PEER_MAX_SECONDS": "0",
        "PEER_OFFSETS": json.dumps({topic: {str(one): end for one, (_, end) in begin.items()}}),
        "PEER_SEGMENTS": str(lake.folder("silver.road_segment")),
        "TRAFFIC_HOME": str(root.parent / "home"),
    }  # fmt: skip
    command = python("benchmarks.peers.spark_medallion")
    log = home.settings.log / f"{MEDALLION}.log"
    with Child(MEDALLION, command, environment(**variables), log) as child:
        watched = Watched(home)
        watched.add(MEDALLION, child)
        yield Contender(MEDALLION, watched, root / "gold")
        child.process.terminate()
        child.wait(STOP_SECONDS)


def _root(home: BenchHome) -> Path:
    return home.settings.home / "peer" / "tables"


def _peer_checks(home: BenchHome, begin: Mapping[int, tuple[int, int]]) -> list[Check]:
    """The peer's tables hold every reading that was sent since, once."""
    sent = _sent(home) - sum(end for _, end in begin.values())
    rows = DeltaTable(_root(home) / "bronze").to_pyarrow_dataset().count_rows()
    silver = DeltaTable(_root(home) / "silver").to_pyarrow_dataset()
    counted = sum(silver.to_table(["event_count"])["event_count"].to_pylist())
    gold = DeltaTable(_root(home) / "gold").to_pyarrow_dataset().count_rows()
    scores = silver.count_rows() * len(home.specs.ml.horizons_minutes)
    return [
        Check("medallion: readings in bronze", sent, rows),
        Check("medallion: readings counted in silver", sent, counted),
        Check("medallion: scores of its windows", scores, gold),
    ]

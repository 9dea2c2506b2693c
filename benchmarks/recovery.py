"""`traffic bench recovery`: how long after a kill -9 the scores are within the freshness goal."""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime

from benchmarks.freshness import PARTITIONS, make_champion
from benchmarks.home import BenchHome, temporary_home
from benchmarks.lag import LagWatch
from benchmarks.live import DRAIN_SECONDS, START_SECONDS, WARM_UP_SECONDS, LiveLoad, say
from benchmarks.processes import Child
from benchmarks.report import Result, audited
from lakehouse.audit import balance
from lakehouse.freshness import p95_by_second
from lakehouse.runtime import stack
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.runtime.process import leader, records
from specs.errors import Unavailable

VICTIMS = ("land", "stream")
BROKER = KAFKA.name
POLL_SECONDS = 0.05
Second = tuple[datetime, float]
"""A second of Kafka's clock, and the p95 of the age at which gold had what was sent in it."""


def recovered_after(seconds: Sequence[Second], killed_at: datetime, goal: float) -> float | None:
    """Seconds from the kill to the end of the first second that is within the goal again.

    Args:
        seconds: in order; only those that began after the kill are looked at.
        killed_at: UTC.
        goal: p95 in seconds.

    Returns:
        None where none is.
    """
    back = (at for at, p95 in seconds if at >= killed_at and p95 <= goal)
    first = next(back, None)
    return None if first is None else (first - killed_at).total_seconds() + 1


def measure(load: LiveLoad) -> Result:
    """Under a live load kill lander, stream and broker, one after the other; start each at once.

    Args:
        load: its ``seconds`` are how long it goes on after each kill.

    Raises:
        Unavailable: a server or a process failed, or gold did not catch up.
    """
    with temporary_home((KAFKA, MLFLOW), PARTITIONS) as home:
        lake = home.lake(load.segments)
        make_champion(home, load)
        watch_version = lake.table("bronze.traffic_event").refresh()
        killed = _kill_each(home, load)
        sla = next(one for one in home.specs.system.slas if one.id == "freshness")
        goal = sla.at_most or 0.0
        seconds = p95_by_second(lake, since_version=watch_version)
        found = {name: recovered_after(seconds, at, goal) for name, at in killed.items()}
        checks = balance(lake, home.offsets())
    known = [value for value in found.values() if value is not None]
    return {
        "recovery_seconds": max(known) if len(known) == len(found) else None,
        "seconds_by_process": found,
        "freshness_goal_seconds": goal,
        "load": asdict(load),
        **audited(checks),
    }


def _kill_each(home: BenchHome, load: LiveLoad) -> dict[str, datetime]:
    """Run the load, kill and restart; returns when each was killed.

    Raises:
        Unavailable: one could not be started again, or another did not outlive it.
    """
    killed = {}
    lake, topic = home.lake(load.segments), home.specs.topics["traffic_event"].topic
    with ExitStack() as beside:
        running = {name: beside.enter_context(home.child(name)) for name in VICTIMS}
        watch = LagWatch(lake, beside.enter_context(home.admin()), topic)
        home.run(*load.command("--seconds", "1"))
        _until_in_gold(watch, START_SECONDS, running)
        running["produce"] = producer = beside.enter_context(home.child(*load.command()))
        time.sleep(WARM_UP_SECONDS)
        for name in VICTIMS:
            say(f"killing traffic {name}, then looking for {load.seconds:g} s")
            killed[name] = datetime.now(UTC)
            os.killpg(running[name].process.pid, signal.SIGKILL)
            running[name].process.wait()
            running[name] = beside.enter_context(home.child(name))
            _look(load.seconds, running)
        say(f"killing {BROKER}, then looking for {load.seconds:g} s")
        killed[BROKER] = datetime.now(UTC)
        broker = records(home.settings.run)[BROKER]
        os.kill(broker.pid, signal.SIGKILL)
        while leader(broker) is not None:
            time.sleep(POLL_SECONDS)
        stack.up(home.settings, (KAFKA,), tell=say)
        _look(load.seconds, running)
        running.pop("produce")
        producer.stop()
        _until_in_gold(watch, DRAIN_SECONDS, running)
        for child in running.values():
            child.stop()
    return killed


def _look(seconds: float, running: dict[str, Child]) -> None:
    """Let it run; ends at once when a process fails."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for child in running.values():
            child.check()
        time.sleep(1)


def _until_in_gold(watch: LagWatch, seconds: float, running: dict[str, Child]) -> None:
    deadline = time.monotonic() + seconds
    while not watch.is_all_in_gold:
        if time.monotonic() > deadline:
            raise Unavailable(f"after {seconds:g} s the readings are not all in gold")
        _look(1, running)

"""One kill cycle of each kind: work, kill, restart, judge. Each returns what is wrong."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from lakehouse.failpoints import VARIABLE
from lakehouse.jobs.maintenance import maintain
from lakehouse.jobs.recompute import GoldRecompute, Range
from lakehouse.journal import now
from lakehouse.publish import KafkaPublisher
from lakehouse.runtime import stack
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.process import leader, records
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from ml.registry import champion
from specs.loader import load_specs
from tests.chaos.child import PATIENCE_SECONDS, Child, wait_until
from tests.chaos.plan import Cycle
from tests.chaos.recording import OUTPUTS, Recording, faults, outputs, replay
from tests.chaos.registry import crown
from tests.chaos.world import START, World

KILLED = -signal.SIGKILL
SCORES = OUTPUTS[1]
KEYS = ("segment_id", "window_start", "horizon_minutes")
LENGTH = timedelta(minutes=20)
WORK_SECONDS = {"lander": 1.5, "driver": 2.0, "correction": 1.0, "maintenance": 0.5}
"""About how long the work of a random kill takes from its first sign of life."""


@dataclass(frozen=True)
class Stage:
    """What the cycles of a run share."""

    world: World
    recording: Recording
    expected: Mapping[str, pa.Table]
    registry: str
    folder: Path

    @property
    def streaming(self) -> dict[str, str]:
        """Settings of the commands that stream or score."""
        return {"mlflow_uri": self.registry, "spark_driver_memory": "700m"}


Faults = list[str]


def _ended_by_kill(child: Child, cycle: Cycle, begun: Callable[[], bool]) -> Faults:
    """Wait for the failpoint, or kill at the cycle's moment once the work has ``begun``."""
    if cycle.failpoint is None:
        wait_until(lambda: begun() or not child.is_alive, "the work has begun")
        time.sleep(cycle.moment * WORK_SECONDS[cycle.kind])
        child.kill()  # where the work was done before the moment came, there is nothing to kill
        return []
    code = child.ended(PATIENCE_SECONDS)
    return [] if code == KILLED else [f"did not come to {cycle.failpoint}: exit code {code}"]


def kill_lander(stage: Stage, cycle: Cycle) -> Faults:
    """Kill a lander in the middle of a backlog; its successor lands the rest."""
    world = stage.world
    world.send(LENGTH)
    many = cycle.failpoint is not None and ("checkpoint" in cycle.failpoint)
    pace = {"land_max_records": "4" if many else "60", "land_max_seconds": "0.05"}
    before = world.lake().table("bronze.traffic_event").version
    with world.command(
        "land", failpoint=cycle.failpoint, name="lander", land_member="one", **pace
    ) as lander:
        found = _ended_by_kill(
            lander, cycle, lambda: world.lake().table("bronze.traffic_event").version > before
        )
    world.run("land", "--once", name="heir", land_member="one")
    return found + world.landing_faults()


def _driver(stage: Stage, home: Settings, failpoint: str | None, pause_at: int | None) -> Child:
    environment = {} if failpoint is None else {VARIABLE: failpoint}
    return Child.start(
        "driver" if failpoint else "heir-driver", stage.folder / "log", environment, replay,
        stage.recording.folder, home.home, stage.world.bootstrap, stage.registry, pause_at,
    )  # fmt: skip


def _driven(stage: Stage, name: str, commits: int = 0) -> Settings:
    """A home in which an undisturbed driver has taken the recording, made once and then copied."""
    made = stage.folder / f"driven-{commits}"
    if not made.exists():
        draft = stage.recording.home(made.with_suffix(".draft"), commits=commits)
        with _driver(stage, draft, None, None) as driver:
            driver.report(PATIENCE_SECONDS)
        draft.home.rename(made)
    shutil.rmtree(stage.folder / name, ignore_errors=True)
    return Settings(home=shutil.copytree(made, stage.folder / name))


def kill_driver(stage: Stage, cycle: Cycle) -> Faults:
    """Kill the stream's driver code; its successor takes up the interrupted batch."""
    home = stage.recording.home(stage.folder / "driver", commits=_commits(cycle.failpoint))
    swaps = cycle.failpoint is not None and cycle.failpoint.startswith("model.")
    pause = stage.recording.batches // 2 if swaps else None
    without = ("model_version",) if swaps else ()
    silver = home.lake / "silver" / "segment_metric" / "_delta_log"
    if cycle.failpoint is not None and cycle.failpoint.startswith("stream.taking_up"):
        with _driver(stage, home, "stream.before_flush#3", None) as first:
            first.ended(PATIENCE_SECONDS)
        stage.recording.note_planned(home)
    try:
        with _driver(stage, home, cycle.failpoint, pause) as driver:
            if swaps:
                wait_until(lambda: driver.says("waiting"), "the driver waits")
                crown(stage.registry, 2)
            found = _ended_by_kill(driver, cycle, silver.exists)
        with _driver(stage, home, None, None) as heir:
            heir.report(PATIENCE_SECONDS)
    finally:
        if swaps:
            crown(stage.registry, 1)
    found += faults(home, stage.recording, stage.expected, without)
    if swaps and 2 not in outputs(home)[OUTPUTS[1]]["model_version"].to_pylist():
        found.append("no score is of the new champion")
    return found


def _commits(failpoint: str | None) -> int:
    """Commits that the tables have before the driver begins: a checkpoint is at the fiftieth."""
    return 46 if failpoint is not None and "checkpoint" in failpoint else 0


def kill_correction(stage: Stage, cycle: Cycle) -> Faults:
    """Kill a recompute of gold under a new model; its successor finishes, history keeps the old."""
    home = _driven(stage, "corrected")
    before = outputs(home)[SCORES]
    environment = {} if cycle.failpoint is None else {VARIABLE: cycle.failpoint}
    begun = (home.home, stage.world.bootstrap, stage.registry)
    crown(stage.registry, 2)
    try:
        expected = {**stage.expected, SCORES: _recomputed(stage)}
        with Child.start(
            "correct", stage.folder / "log", environment, correct_all, *begun
        ) as correction:
            found = _ended_by_kill(correction, cycle, lambda: True)
        with Child.start("heir-correct", stage.folder / "log", {}, correct_all, *begun) as heir:
            heir.report(PATIENCE_SECONDS)
    finally:
        crown(stage.registry, 1)
    found += faults(home, stage.recording, expected, ("model_version", "revision"))
    after = outputs(home)[SCORES]
    if set(after["model_version"].to_pylist()) != {2}:
        found.append("not every score is of the new champion")
    kept = outputs(home, names=(f"{SCORES}_history",))[f"{SCORES}_history"]
    if kept.sort_by([(key, "ascending") for key in KEYS]) != before:
        found.append("the history is not what the scores were")
    return found


def _recomputed(stage: Stage) -> pa.Table:
    """The scores of an undisturbed recompute, made once.

    They are the driver's but for open windows: there it has scored a segment when that one changed
    last, and the rest of the network may have moved since.
    """
    made = stage.folder / "recomputed"
    if not made.exists():
        draft = _driven(stage, "recomputed.draft").home
        with Child.start(
            "recompute", stage.folder / "log", {}, correct_all,
            draft, stage.world.bootstrap, stage.registry,
        ) as undisturbed:  # fmt: skip
            undisturbed.report(PATIENCE_SECONDS)
        draft.rename(made)
    return outputs(Settings(home=made))[SCORES]


def correct_all(home: Path, bootstrap: str, registry: str) -> None:
    """In a child: what `traffic gold recompute` does, over all days of the recording."""
    specs = load_specs()
    lake = Lake(Settings(home=home).lake, specs)
    job = GoldRecompute(lake, champion(registry, specs), KafkaPublisher(bootstrap))
    print(job.recompute(Range(START - timedelta(days=1), START + timedelta(days=1))))


def kill_maintenance(stage: Stage, cycle: Cycle) -> Faults:
    """Kill `traffic maintain`; the tables hold what they held, and the next run does the rest."""
    home = _driven(stage, "maintained", commits=80)
    environment = {} if cycle.failpoint is None else {VARIABLE: cycle.failpoint}
    with _upkeep(stage, home, environment) as upkeep:
        found = _ended_by_kill(upkeep, cycle, lambda: True)
    found += faults(home, stage.recording, stage.expected)
    with _upkeep(stage, home, {}) as heir:
        heir.report(PATIENCE_SECONDS)
    return found + faults(home, stage.recording, stage.expected)


def _upkeep(stage: Stage, home: Settings, environment: Mapping[str, str]) -> Child:
    return Child.start(
        "maintain" if environment else "heir-maintain", stage.folder / "log", environment,
        maintain_all, home.home, stage.folder / "hasty" / "specs",
    )  # fmt: skip


def maintain_all(home: Path, specs: Path) -> None:
    """In a child: what `traffic maintain` does, under specs that keep nothing for readers."""
    settings = Settings(home=home)
    maintain(Lake(settings.lake, load_specs(specs)), settings.stream_checkpoint, now())


def kill_broker(stage: Stage, cycle: Cycle) -> Faults:
    """Kill the broker under a lander and start it again; the lander goes on by itself."""
    world = stage.world
    world.send(LENGTH)
    with world.command("land", name="lander", land_member="one", land_max_records="30") as lander:
        time.sleep(cycle.moment * 3)
        broker = records(world.settings.run)[KAFKA.name]
        os.kill(broker.pid, signal.SIGKILL)
        wait_until(lambda: leader(broker) is None, "the broker is gone")
        stack.up(world.settings, (KAFKA,), tell=lambda _: None)
        world.send(LENGTH)
        wait_until(lambda: not lander.is_alive or not world.landing_faults(), "all is landed")
        if not lander.is_alive:
            return [f"the lander did not outlive the broker; {lander.said()}"]
        lander.signal(signal.SIGTERM)
        lander.report(PATIENCE_SECONDS)
    return world.landing_faults()


def kill_stream(stage: Stage, cycle: Cycle) -> Faults:
    """Kill the real stream, JVM and all, at a random moment; `traffic audit` judges the whole."""
    world = stage.world
    world.run("land", "--once", name="lander", land_member="one")
    commits = world.settings.stream_checkpoint / "commits"
    before = len(list(commits.glob("*")))
    with world.command("stream", name="stream", **stage.streaming) as stream:
        wait_until(
            lambda: len(list(commits.glob("*"))) > before or not stream.is_alive, "a batch is done"
        )
        time.sleep(cycle.moment * 3)
        stream.kill()
    return audited(stage)


def audited(stage: Stage) -> Faults:
    """What `traffic audit` says once the stream has taken in all that was landed."""
    world = stage.world
    world.run("land", "--once", name="heir", land_member="one")
    world.land_in_steps(6)  # closes every window that a late reading may belong to
    world.run("stream", "--once", name="heir-stream", **stage.streaming)
    world.run("silver", "reconcile", name="reconcile", **stage.streaming)
    with world.command("audit", "--json", name="audit", **stage.streaming) as audit:
        code = audit.ended(PATIENCE_SECONDS)
        return [] if code == 0 else [f"traffic audit: {audit.said()}"]


KILLS: Mapping[str, Callable[[Stage, Cycle], Faults]] = {
    "lander": kill_lander,
    "driver": kill_driver,
    "correction": kill_correction,
    "maintenance": kill_maintenance,
    "broker": kill_broker,
    "stream": kill_stream,
}

"""Accidents that are more than a kill: each ends with every record in its place, or loudly."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from lakehouse.delta_log import LOG
from lakehouse.jobs.checkpoint import told
from lakehouse.jobs.maintenance import maintain
from lakehouse.jobs.unscored import SCORES, first_scored, unscored
from lakehouse.journal import now
from lakehouse.runtime import process, stack
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.runtime.server import free_port
from lakehouse.tables import Lake
from specs.loader import load_specs
from tests.chaos.__main__ import HASTY
from tests.chaos.child import PATIENCE_SECONDS, Child, traffic, wait_until
from tests.chaos.recording import outputs
from tests.chaos.registry import register_small
from tests.chaos.world import World, world
from tests.edited_specs import edited_folder

pytestmark = pytest.mark.stack

BRONZE = "bronze.traffic_event"
SOME = timedelta(minutes=20)
SMALL = {"land_max_records": "60", "land_max_seconds": "0.05"}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("chaos"), seed=7) as made:
        yield made


def version(city: World) -> int:
    return city.lake().table(BRONZE).version


def land(city: World, **variables: str) -> None:
    city.run("land", "--once", name="heir", **variables)


def test_a_lander_stopped_before_its_commit_is_fenced_when_it_wakes(city: World) -> None:
    city.send(SOME)
    with city.command(
        "land", failpoint=f"append.log_begun@{BRONZE}#2=stop", name="zombie", **SMALL
    ) as zombie:
        wait_until(lambda: _state(zombie) == "stopped", "the lander stands before its commit")
        land(city)
        assert city.landing_faults() == []
        reached = version(city)
        zombie.signal(signal.SIGCONT)
        city.send(SOME)
        wait_until(lambda: version(city) > reached or not zombie.is_alive, "it has woken")
        if zombie.is_alive:
            zombie.signal(signal.SIGTERM)
        zombie.ended(PATIENCE_SECONDS)
    land(city)
    assert city.landing_faults() == []


def _state(child: Child) -> str:
    import psutil

    return psutil.Process(child.pid).status()


def test_of_two_landers_one_is_killed_and_the_other_takes_its_partitions(city: World) -> None:
    with (
        city.command("land", name="first", land_session_seconds="6", **SMALL),
        city.command("land", name="second", land_session_seconds="6", **SMALL) as second,
    ):
        for _ in range(4):
            city.send(timedelta(minutes=5))
        wait_until(lambda: not city.landing_faults(), "both have landed")
        second.kill()
        city.send(SOME)
        wait_until(lambda: not city.landing_faults(), "the other lands all")


def test_the_broker_is_away_for_a_while_and_the_lander_waits(city: World) -> None:
    with city.command("land", name="patient", **SMALL) as lander:
        city.send(SOME)
        lander.until(lambda: not city.landing_faults(), "it has begun")
        process.stop(city.settings.run, [KAFKA.name], grace_seconds=0)
        time.sleep(DOWN_SECONDS)
        assert lander.is_alive, lander.said()
        stack.up(city.settings, (KAFKA,), tell=lambda _: None)
        city.send(SOME)
        lander.until(lambda: not city.landing_faults(), "it has caught up")
        lander.signal(signal.SIGTERM)
        lander.report(PATIENCE_SECONDS)


DOWN_SECONDS = 60.0


def test_partitions_are_added_under_a_running_lander(city: World) -> None:
    admin = AdminClient({"bootstrap.servers": city.bootstrap})
    with city.command("land", name="growing", **SMALL):
        city.send(SOME)
        admin.create_partitions([NewPartitions("traffic_event", 6)])["traffic_event"].result()
        wait_until(lambda: len(city.offsets()) == 6, "the topic has six partitions")
        city.send(SOME)
        wait_until(lambda: not city.landing_faults(), "the new partitions are landed too")
    assert all(end > 0 for _, end in city.offsets().values())


def test_a_disk_that_takes_no_more_stops_the_lander_and_loses_nothing(city: World) -> None:
    city.send(SOME)
    with Child.start(
        "full", city.settings.log,
        {"TRAFFIC_HOME": str(city.settings.home), "TRAFFIC_KAFKA_BOOTSTRAP": city.bootstrap},
        _land_on_a_full_disk,
    ) as lander:  # fmt: skip
        assert lander.ended(PATIENCE_SECONDS) == 1
        wait_until(lambda: lander.says("the disk takes no more"), "it has said so", seconds=10)
    assert city.landing_faults() != []
    land(city)
    assert city.landing_faults() == []


def _land_on_a_full_disk() -> None:
    """In a child: every file ends at 3 kB, as on a disk that is full; its log is on another."""
    log = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert log.stdin is not None
    for descriptor in (1, 2):
        os.dup2(log.stdin.fileno(), descriptor)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    traffic("land", "--once")


def test_half_a_commit_under_no_name_is_passed_over(city: World) -> None:
    """What a crash leaves of a commit: delta-rs gives it its name only when it is whole."""
    log = city.lake().folder(BRONZE) / LOG
    torn = log / f"{version(city) + 1:020}.json#1"
    torn.write_bytes((log / f"{version(city):020}.json").read_bytes()[:100])
    city.send(SOME)
    land(city)
    assert city.landing_faults() == []


def test_half_a_commit_under_its_name_stops_everyone_loudly(city: World, tmp_path: Path) -> None:
    """A broken disk or a copy: no writer of ours does it, and no reader may pass over it."""
    home = tmp_path / "home"
    shutil.copytree(city.settings.home / "lake", home / "lake")
    log = home / "lake" / "bronze" / "traffic_event" / LOG
    newest = max(log.glob("*.json"))
    newest.write_bytes(newest.read_bytes()[:100])
    with city.command("land", "--once", name="torn", home=str(home)) as lander:
        assert lander.ended(PATIENCE_SECONDS) == 1
        assert newest.name.split(".")[0].lstrip("0") in lander.log.read_text() or "json" in (
            lander.log.read_text().lower()
        )


def test_a_clock_an_hour_ahead_changes_stamps_and_no_verdict(city: World) -> None:
    """Events of the city are of 2024: an hour is far from every rule that reads the clock."""
    city.send(SOME)
    before = city.lake().table(BRONZE).read(columns=["offset"]).num_rows
    with Child.start(
        "ahead", city.settings.log,
        {"TRAFFIC_HOME": str(city.settings.home), "TRAFFIC_KAFKA_BOOTSTRAP": city.bootstrap},
        _land_an_hour_ahead,
    ) as lander:  # fmt: skip
        lander.report(PATIENCE_SECONDS)
    assert city.landing_faults() == []
    assert city.lake().table(BRONZE).read(columns=["offset"]).num_rows > before


def _land_an_hour_ahead() -> None:
    """In a child: the lander's clock is wrong."""
    import ingestion.lander
    from lakehouse.journal import now

    ingestion.lander.now = lambda: now() + timedelta(hours=1)  # type: ignore[assignment]
    traffic("land", "--once")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A city of its own, with a model registry that is stopped and started."""
    folder = tmp_path_factory.mktemp("registry")
    with world(folder / "home", seed=8, mlflow_port=free_port()) as made:
        stack.up(made.settings, (MLFLOW,))
        register_small(registry_of(made)["mlflow_uri"])
        yield made


def registry_of(town: World) -> dict[str, str]:
    return {
        "mlflow_uri": MLFLOW.endpoint.format(port=town.settings.mlflow_port),
        "spark_driver_memory": "700m", "model_poll_seconds": "0.5", "reconcile_seconds": "1",
    }  # fmt: skip


def audit(town: World) -> None:
    with town.command("audit", "--json", name="audit", **registry_of(town)) as child:
        assert child.ended(PATIENCE_SECONDS) == 0, child.said()


def caught_up(town: World) -> dict[str, pa.Table]:
    """Silver and gold once the stream has read all of bronze, late readings included."""
    variables = {f"TRAFFIC_{key.upper()}": value for key, value in registry_of(town).items()}
    variables |= {
        "TRAFFIC_HOME": str(town.settings.home), "TRAFFIC_KAFKA_BOOTSTRAP": town.bootstrap,
    }  # fmt: skip
    with Child.start("caught-up", town.settings.log, variables, _catch_up) as child:
        child.report(PATIENCE_SECONDS)
    return outputs(town.settings, without=("revision",))


def _catch_up() -> None:
    """In a child: two commands on one JVM."""
    for arguments in (("stream", "--once"), ("silver", "reconcile")):
        try:
            traffic(*arguments)
        except SystemExit as ended:
            if ended.code:
                raise


def test_while_the_registry_is_down_silver_goes_on_and_gold_catches_up(town: World) -> None:
    town.land_in_steps(4)
    caught_up(town)
    process.stop(town.settings.run, [MLFLOW.name], grace_seconds=0)
    with town.command("stream", name="orphan", **registry_of(town)) as stream:
        known, scored = final(town), scores(town)
        town.land_in_steps(6)
        stream.until(lambda: final(town) != known, "silver goes on")
        assert scores(town) == scored
        assert missing(town) != []
        stack.up(town.settings, (MLFLOW,))
        town.land_in_steps(1)  # what is open is scored with the next batch
        stream.until(lambda: not missing(town), "gold has caught up")
        stream.signal(signal.SIGTERM)
        stream.report(PATIENCE_SECONDS)
    caught_up(town)  # the registry may have come back after the last batch
    audit(town)


def scores(town: World) -> int:
    return town.lake().table(SCORES).read(columns=["window_start"]).num_rows


def missing(town: World) -> list[datetime]:
    """Final windows without a score."""
    first = first_scored(town.lake())
    assert first is not None
    return unscored(town.lake(), first, final(town))


def final(town: World) -> datetime:
    """Windows up to here are final, and the stream is done with them."""
    reached = told(town.lake(), town.settings.stream_checkpoint)
    assert reached is not None
    return reached.watermark


@pytest.mark.parametrize("is_log_cleaned", [False, True])
def test_a_lost_checkpoint_is_rebuilt_from_bronze(
    town: World, tmp_path: Path, is_log_cleaned: bool
) -> None:
    town.send(SOME)
    land(town)
    town.land_in_steps(4)
    before = caught_up(town)
    if is_log_cleaned:  # the new stream cannot read commit after commit
        hasty = load_specs(edited_folder(tmp_path, *HASTY))
        maintain(Lake(town.settings.lake, hasty), town.settings.stream_checkpoint, now())
        town.land_in_steps(1)  # the stream passes the compaction, so that the log may go up to it
        before = caught_up(town)
        maintain(Lake(town.settings.lake, hasty), town.settings.stream_checkpoint, now())
        assert not (town.lake().folder(BRONZE) / LOG / f"{0:020}.json").exists()
    shutil.rmtree(town.settings.stream_checkpoint)
    assert caught_up(town) == before
    audit(town)


def test_offsets_that_retention_took_unread_stop_the_lander_and_say_so(city: World) -> None:
    """Last: the topic is not whole any more."""
    city.send(SOME)
    ends = city.offsets()
    admin = AdminClient({"bootstrap.servers": city.bootstrap})
    gone = [TopicPartition("traffic_event", p, end - 1) for p, (_, end) in ends.items() if end > 1]
    for future in admin.delete_records(gone).values():
        future.result()
    with city.command("land", name="late") as lander:
        assert lander.ended(PATIENCE_SECONDS) == 1
        assert "offsets that were never landed are gone from Kafka" in lander.log.read_text()
    registry = f"sqlite:///{city.settings.home / 'mlflow.db'}"
    with city.command("audit", "--json", name="audit", mlflow_uri=registry) as audit:
        assert audit.ended(PATIENCE_SECONDS) == 1
        assert "landed offsets that Kafka has deleted since" in audit.log.read_text()

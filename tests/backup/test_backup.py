"""A lakehouse is copied while it runs, and goes on elsewhere from the copy."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.runtime.server import free_port
from lakehouse.runtime.stack import running
from lakehouse.settings import Settings
from ml.registry import champion
from specs.loader import Specs
from tests.chaos.child import PATIENCE_SECONDS, Child, wait_until
from tests.chaos.registry import register_small
from tests.chaos.world import World

pytestmark = pytest.mark.stack

BRONZE, SILVER, SCORES = "bronze.traffic_event", "silver.segment_metric", "gold.congestion_scores"


def caught_up(world: World) -> bool:
    return world.lake().table(BRONZE).version > 0 and world.is_told() and not world.landing_faults()


def test_a_copy_of_a_running_lakehouse_goes_on_elsewhere_and_counts_nothing_twice(
    tmp_path: Path, specs: Specs
) -> None:
    port, here, there = free_port(), tmp_path / "here", tmp_path / "there"
    first = Settings(home=here, kafka_port=port, mlflow_port=0)
    with running(first, [KAFKA, MLFLOW]) as servers:
        register_small(servers["mlflow"])
        old = World(first, specs, seed=5)
        old.found()
        old.send(timedelta(minutes=40))

        with old.command("land") as lander, old.command("stream") as stream:
            wait_until(lambda: caught_up(old), "the first readings are in gold")
            with old.command("backup", str(tmp_path / "copy"), "--json", name="backup") as backup:
                while backup.is_alive:
                    old.send(timedelta(minutes=2))
                copied = json.loads(backup.report(PATIENCE_SECONDS))
            old.send(timedelta(minutes=20))
            wait_until(lambda: caught_up(old), "what came after the backup is in gold")
            for child in (lander, stream):
                child.process.terminate()
                assert child.ended(PATIENCE_SECONDS) == 0, child.said()
        sums = old.made_even()
        assert copied["stream_batch"] is not None
        assert copied["tables"][SILVER] < old.lake().table(SILVER).version

        new = World(Settings(home=there, kafka_port=port, mlflow_port=0), specs, 6, old.clock)
        new.truth = old.truth
        into, copy = {"TRAFFIC_HOME": str(there)}, str(tmp_path / "copy")
        with Child.command(tmp_path, into, "restore", copy, "--json", name="restore") as restore:
            restore.report(PATIENCE_SECONDS)
        lake = new.lake()
        assert {name: lake.table(name).version for name in copied["tables"]} == copied["tables"]
        with running(new.settings, [MLFLOW]) as restored:
            assert champion(restored["mlflow"], specs).version == 1
            assert new.made_even() == sums
            before = new.lake().table(SCORES).read(columns=["window_start"]).num_rows
            new.send(timedelta(minutes=20))
            new.made_even()
            scores = new.lake().table(SCORES).read(columns=["window_start", "model_version"])
            assert scores.num_rows > before
            assert set(scores["model_version"].to_pylist()) == {1}

"""Make the home that a later release's upgrade test opens: in this release's clone, run
``python -m tests.backup.make_old_lake FILE``, and keep FILE as tests/backup/old_lake.tar.xz."""

import sys
import tarfile
import tempfile
from datetime import timedelta
from pathlib import Path

from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.runtime.server import free_port
from lakehouse.runtime.stack import running
from lakehouse.settings import Settings
from specs.loader import load_specs
from tests.chaos.registry import register_small
from tests.chaos.world import World

KEPT = ("lake", "checkpoints", "mlflow")
"""Kafka's log is left out: the tables hold each record as it came."""


def make(home: Path) -> None:
    """Land and stream a small city's half hour in two goes, scored by a small model."""
    settings, specs = Settings(home=home, kafka_port=free_port(), mlflow_port=0), load_specs()
    with running(settings, [KAFKA, MLFLOW]) as servers:
        register_small(servers["mlflow"])
        world = World(settings, specs, seed=8)
        world.found()
        for _ in range(2):
            world.send(timedelta(minutes=15))
            world.run("land", "--once")
            world.run("stream", "--once", mlflow_uri=servers["mlflow"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        with tarfile.open(sys.argv[1], "w:xz", preset=9) as archive:
            for name in KEPT:
                archive.add(Path(folder) / name, name)

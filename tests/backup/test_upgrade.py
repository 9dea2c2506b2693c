"""A lake, a checkpoint and a champion of an older release go on under this one.

``old_lake.tar.xz`` was made by ``make_old_lake.py`` in a clone at 8b5aff6: tables from before they
carried a format, a checkpoint of an older format, and a champion.
"""

import tarfile
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
from confluent_kafka import Producer

from lakehouse.commit import Note
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.runtime.server import free_port
from lakehouse.runtime.stack import running
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import Specs
from tests.chaos.world import START, TOPIC, World

OLD_LAKE = Path(__file__).parent / "old_lake.tar.xz"
OLD_LENGTH = timedelta(minutes=30)
BRONZE, DEAD, SCORES = "bronze.traffic_event", "bronze.dead_letter", "gold.congestion_scores"


def old_records(lake: Lake) -> pa.Table:
    """Every record of the old topic, in the order of its partitions."""
    place = ["partition", "offset", "kafka_timestamp", "raw_value"]
    dead = lake.table(DEAD).read(columns=[*place, "raw_key"])
    landed = lake.table(BRONZE).read(columns=[*place, "segment_id"])
    whole = pa.concat_tables([dead, landed.rename_columns(dead.column_names).cast(dead.schema)])
    return whole.sort_by([("partition", "ascending"), ("offset", "ascending")])


def sent_again(bootstrap: str, records: pa.Table) -> None:
    """Give an empty broker the old topic, each record at its own offset."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for record in records.to_pylist():
        producer.produce(
            TOPIC, record["raw_value"], record["raw_key"], record["partition"],
            timestamp=int(record["kafka_timestamp"].timestamp() * 1000),
        )  # fmt: skip
    assert producer.flush(60) == 0


def test_an_older_releases_lake_goes_on_and_counts_nothing_twice(
    tmp_path: Path, specs: Specs
) -> None:
    home = tmp_path / "home"
    with tarfile.open(OLD_LAKE) as archive:
        archive.extractall(home, filter="data")
    settings = Settings(home=home, kafka_port=free_port(), mlflow_port=0)
    old = Lake(settings.lake, specs)
    scored = old.table(SCORES).read().num_rows
    assert not settings.stream_checkpoint.exists()
    with running(settings, [KAFKA, MLFLOW]):
        world = World(settings, specs, seed=9, clock=START + OLD_LENGTH)
        world.found()
        sent_again(world.bootstrap, old_records(old))
        world.made_even()
        bronze = world.lake().table(BRONZE)
        version = bronze.refresh()
        bronze.configure(Note("maintain", specs.version))
        assert bronze.refresh() == version + 1
        world.send(timedelta(minutes=20))
        world.made_even()
    scores = world.lake().table(SCORES).read(columns=["model_version"])
    assert settings.stream_checkpoint.exists()
    assert scores.num_rows > scored > 0
    assert set(scores["model_version"].to_pylist()) == {1}

"""A lander on librdkafka's own mock cluster: no JVM, and the same client as in service."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from confluent_kafka import Producer

from ingestion.city import simulated_city
from ingestion.decode import Record
from ingestion.disturbance import Disturbance, disturb
from ingestion.judge import Judge
from ingestion.lander import Lander, LandingPace
from ingestion.landing import Landing, writer
from ingestion.registration import register_segments
from ingestion.simulator import Simulation
from lakehouse.commit import Note, Step
from lakehouse.tables import Lake
from specs.loader import load_specs
from tests.stack.city import messages

pytestmark = pytest.mark.slow

SPECS = load_specs()
TOPIC, BRONZE, DEAD = SPECS.topics["traffic_event"], "bronze.traffic_event", "bronze.dead_letter"
RECORDS, A_BATCH = 400, 100
PACE = LandingPace(A_BATCH, 0.2)


@pytest.fixture(scope="module")
def kafka() -> Iterator[str]:
    """A mock cluster with readings in partition 0; it lives as long as its producer."""
    producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 2})
    brokers = producer.list_topics(TOPIC.topic, 10).brokers.values()
    source = SPECS.sources["simulator"]
    start = datetime.now(UTC) - timedelta(seconds=100)
    simulation = Simulation(source, TOPIC, simulated_city(source, 3), 10.0, start)
    sent = 0
    for records in disturb(simulation.readings(RECORDS / 10), Disturbance(0, 0, 0, 600, 0)):
        for key, value in zip(records.keys, records.values, strict=True):
            producer.produce(TOPIC.topic, value, key, partition=0)
            sent += 1
    assert (sent, producer.flush(10)) == (RECORDS, 0)
    yield ",".join(f"{one.host}:{one.port}" for one in brokers)
    producer.flush(10)


def lake(folder: Path) -> Lake:
    made = Lake(folder, SPECS)
    register_segments(made, "simulator", count=3)
    return made


def offsets(tables: Lake) -> list[int]:
    tables.table(BRONZE).refresh()
    return sorted(tables.table(BRONZE).read(columns=["offset"])["offset"].to_pylist())


def never() -> bool:
    return False


def test_the_last_batch_in_hand_is_landed_before_a_run_ends(kafka: str, tmp_path: Path) -> None:
    tables = lake(tmp_path)
    lander = Lander(tables, kafka, PACE)
    lander.run_once(never)
    lander.close()
    assert offsets(tables) == list(range(RECORDS))
    assert lander.landed.rows == RECORDS
    assert lander.landed.batches >= RECORDS // A_BATCH


def test_a_lander_that_is_overtaken_drops_what_it_has_fetched_and_goes_on_behind_the_other(
    kafka: str, tmp_path: Path
) -> None:
    tables = lake(tmp_path)
    lander = Lander(tables, kafka, PACE)
    lander.run_once(lambda: lander.landed.batches > 0)
    ours, heir = offsets(tables), Lake(tmp_path, SPECS).table(BRONZE)
    reached, name = max(ours), writer(TOPIC.topic, 0)
    empty = heir.schema.empty_table()  # the other lander's readings do not matter here
    heir.append(empty, Note("land", SPECS.version), [Step(name, reached, reached + 30)])
    lander.run_once(never)
    lander.close()
    assert offsets(tables) == [*ours, *range(reached + 31, RECORDS)]
    assert lander.landed.rows == RECORDS - 30


@pytest.mark.parametrize("has_roads", [True, False])
def test_what_an_ended_run_made_dead_letters_of_stays_that_and_the_rest_is_judged_anew(
    kafka: str, tmp_path: Path, has_roads: bool
) -> None:
    tables, at = lake(tmp_path), datetime.now(UTC)
    roads = tables.table("silver.road_segment").read(columns=["segment_id", "source"])
    records = cast("list[Record]", [m for m in messages(kafka, TOPIC.topic) if m.offset() < 10])
    accepting, refusing = (
        Judge(SPECS).judge(records, known, at) for known in (roads, roads.slice(0, 0))
    )
    dead = tables.table(DEAD)
    written = refusing.dead.filter(pc.is_in(refusing.dead["offset"], pa.array([2, 3])))
    dead.append(written, Note("land", SPECS.version), [Step(writer(TOPIC.topic, 0), None, 9)])
    landing = Landing(tables, kafka)
    landing.commit(accepting if has_roads else refusing, {0: None}, 0.0)
    dead.refresh()
    assert sorted(dead.read()["offset"].to_pylist()) == ([2, 3] if has_roads else [*range(10)])
    assert offsets(tables) == ([0, 1, *range(4, 10)] if has_roads else [])


def test_a_batch_that_is_refused_ends_the_run_and_lands_nothing_after_it(
    kafka: str, tmp_path: Path
) -> None:
    tables = lake(tmp_path)
    lander = Lander(tables, kafka, PACE)
    lander.run_once(lambda: lander.landed.batches > 0)
    before = offsets(tables)
    lander._landing.commit = refuse  # type: ignore[method-assign]
    with pytest.raises(OSError, match="the disk is full"):
        lander.run_once(never)
    lander.close()
    assert offsets(tables) == before


def refuse(*_: object) -> None:
    raise OSError("the disk is full")

"""Readings through real servers: landed once whatever is killed, streamed, scored, balanced."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import cast
from uuid import uuid4

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from ingestion.city import simulated_city
from ingestion.decode import Record
from ingestion.disturbance import Disturbance, disturb
from ingestion.judge import Judge
from ingestion.lander import Lander, LandingPace
from ingestion.producer import KafkaSender, send_all
from ingestion.records import KINDS, Records, Truth, joined
from ingestion.registration import register_segments
from ingestion.simulator import Simulation
from ingestion.topics import TopicAdmin
from lakehouse.audit import balance, landing_balance
from lakehouse.commit import Commit, Note, Step
from lakehouse.freshness import freshness_seconds
from lakehouse.jobs.checkpoint import read_through, told_through
from lakehouse.jobs.training import train_model
from lakehouse.settings import Settings
from lakehouse.tables import Lake, LakeTable
from quality.refusal import BatchRefused
from specs.errors import Fenced
from specs.loader import Specs
from tests.contract_reader import ContractReader
from tests.edited_specs import edited_specs
from tests.scraped import names_told
from tests.unit.ml.tables import small_specs

pytestmark = pytest.mark.stack

BRONZE, DEAD = "bronze.traffic_event", "bronze.dead_letter"
SILVER, SCORES = "silver.segment_metric", "gold.congestion_scores"
SEGMENTS, INTERVAL_SECONDS = 20, 300
START, HISTORY = datetime(2024, 5, 5, 21, tzinfo=UTC), timedelta(days=2)
"""From Sunday evening on: each part of the training's split holds a rush hour."""
PACE = LandingPace(max_records=2000, max_seconds=0.25)
PATIENCE_SECONDS = 120.0
Place = tuple[int, int]
"""Partition and offset."""


def never() -> bool:
    return False


@dataclass
class City:
    """A simulated city on the topic, and what was sent of it so far."""

    kafka: str
    specs: Specs
    truth: Truth
    history: Records | None = None

    def readings(self, start: datetime, length: timedelta) -> Records:
        source, topic = self.specs.sources["simulator"], self.specs.topics["traffic_event"]
        rate = SEGMENTS / INTERVAL_SECONDS
        simulation = Simulation(source, topic, simulated_city(source, SEGMENTS), rate, start)
        water = self.specs.transforms.watermark_seconds
        disturbance = Disturbance(0.02, 0.02, 0.02, watermark_seconds=water)
        readings = pa.Table.from_batches(simulation.readings(length.total_seconds()))
        return joined(list(disturb(readings.combine_chunks().to_batches(), disturbance)))

    def send(self, start: datetime, length: timedelta) -> Records:
        records, retry = self.readings(start, length), self.specs.ops.retries.unavailable
        with KafkaSender(self.kafka, "traffic_event", retry) as sender:
            truth, _ = send_all([records], sender)
        self.truth.counts += truth.counts
        return records

    def offsets(self) -> dict[int, Place]:
        with TopicAdmin(self.kafka, self.specs.ops.retries.unavailable) as admin:
            places = admin.offsets(["traffic_event"])
        return {place.partition: (place.begin, place.end) for place in places}

    def lake(self, home: Path, specs: Specs | None = None) -> Lake:
        """A lake that knows the city's segments."""
        lake = Lake(home / "lake", specs or self.specs)
        register_segments(lake, "simulator", count=SEGMENTS)
        return lake


@pytest.fixture(scope="module")
def city(kafka: str, specs: Specs) -> City:
    """Two days of the city on the topic, disturbed."""
    with TopicAdmin(kafka, specs.ops.retries.unavailable) as admin:
        admin.create(specs)
    made = City(kafka, specs, Truth())
    assert sum(end for _, end in made.offsets().values()) == 0, "these tests count the whole topic"
    made.history = made.send(START, HISTORY)
    return made


@contextmanager
def lander(city: City, lake: Lake, pace: LandingPace = PACE) -> Iterator[Lander]:
    member = Lander(lake, city.kafka, pace)
    try:
        yield member
    finally:
        member.close()


def places(lake: Lake, name: str) -> list[Place]:
    table = lake.table(name)
    table.refresh()
    rows = table.read(columns=["partition", "offset"])
    return sorted(zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True))


def assert_each_record_landed_once(city: City, lake: Lake) -> None:
    checks = landing_balance(lake, city.offsets())
    assert [check for check in checks if not check.is_ok] == []
    malformed = sum(city.truth.malformed.values())
    assert len(places(lake, DEAD)) == malformed > 100
    assert len(places(lake, BRONZE)) == city.truth.records - malformed


def messages(kafka: str, topic: str) -> list[Message]:
    """All that the topic holds now."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"test-{uuid4()}"})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in partitions}
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    found: list[Message] = []
    deadline = time.monotonic() + 20
    while len(found) < sum(ends.values()) and time.monotonic() < deadline:
        found += consumer.consume(1000, 0.5)
    consumer.close()
    assert len(found) == sum(ends.values())
    return found


def test_every_record_lands_or_is_a_dead_letter_byte_for_byte(city: City, tmp_path: Path) -> None:
    lake = city.lake(tmp_path)
    with lander(city, lake) as member:
        member.run_once(never)
    assert_each_record_landed_once(city, lake)
    sent = city.history
    assert sent is not None
    is_malformed = sent.kinds >= KINDS.index("not_json")
    expected = Counter(zip(sent.keys[is_malformed], sent.values[is_malformed], strict=True))
    lake.table(DEAD).refresh()
    rows = {(r["partition"], r["offset"]): r for r in lake.table(DEAD).read().to_pylist()}
    assert Counter((row["raw_key"], row["raw_value"]) for row in rows.values()) == expected

    topic = messages(city.kafka, "traffic_event_dlq")
    assert Counter((message.key(), message.value()) for message in topic) == expected
    for message in topic:
        pairs = cast("list[tuple[str, bytes]]", message.headers())
        headers = {name: value.decode() for name, value in pairs}
        row = rows[int(headers["partition"]), int(headers["offset"])]
        assert headers == {
            "topic": "traffic_event", "partition": str(row["partition"]),
            "offset": str(row["offset"]), "reason": row["reason"],
            "rule_ids": ",".join(row["rule_ids"]), "spec_version": city.specs.version,
        }  # fmt: skip
        assert (message.key(), message.value()) == (row["raw_key"], row["raw_value"])


def test_a_second_lander_goes_on_where_the_first_was_stopped(city: City, tmp_path: Path) -> None:
    lake = city.lake(tmp_path)
    with lander(city, lake) as first:
        first.run_once(lambda: first.landed.batches == 2)
    half = places(lake, BRONZE) + places(lake, DEAD)
    assert 0 < len(half) == first.landed.rows + first.landed.dead_letters < city.truth.records
    with lander(city, Lake(lake.root, city.specs)) as second:
        second.run_once(never)
    assert second.landed.rows + second.landed.dead_letters == city.truth.records - len(half)
    assert_each_record_landed_once(city, lake)


class DyingTable(LakeTable):
    """Takes no commit: the process dies here."""

    def append(self, rows: object, note: Note, steps: object = ()) -> Commit:
        raise MemoryError("the process died before its commit")


class DyingLake(Lake):
    """A lake whose writer dies between its dead letters and its rows."""

    def table(self, name: str) -> LakeTable:
        if name != BRONZE:
            return super().table(name)
        conflict = self.specs.ops.retries.commit_conflict
        return DyingTable(self.specs.tables[name], self.folder(name), conflict)


def test_a_crash_between_dead_letters_and_rows_repeats_and_loses_nothing(
    city: City, tmp_path: Path
) -> None:
    lake = city.lake(tmp_path)
    with (
        lander(city, DyingLake(lake.root, city.specs)) as dying,
        pytest.raises(MemoryError, match="died"),
    ):
        dying.run_once(never)
    written = places(lake, DEAD)
    assert len(written) == dying.landed.dead_letters > 0
    assert places(lake, BRONZE) == []
    with lander(city, lake) as heir:
        heir.run_once(never)
    assert heir.landed.dead_letters == sum(city.truth.malformed.values()) - len(written)
    assert_each_record_landed_once(city, lake)


def test_a_crash_does_not_repeat_dead_letters_however_the_batches_are_cut(
    city: City, tmp_path: Path
) -> None:
    lake = city.lake(tmp_path)
    early = [one for one in messages(city.kafka, "traffic_event") if (one.offset() or 0) <= 1500]
    roads = lake.table("silver.road_segment").read(columns=["segment_id", "source"])
    judged = Judge(city.specs).judge(cast("list[Record]", early), roads, START)
    lasts = {partition: last for partition, (_, last) in judged.progress.items()}
    steps = [Step(f"land/traffic_event/{partition}", None, lasts[partition]) for partition in lasts]
    lake.table(DEAD).append(judged.dead, Note(job="land", spec_version="v"), steps)
    # Batches that hold the end of one partition, past 1500, and the beginning of another.
    with lander(city, lake, LandingPace(700, 0.25)) as heir:
        heir.run_once(never)
    assert_each_record_landed_once(city, lake)


def test_a_lander_that_was_overtaken_in_the_middle_of_a_batch_writes_nothing(
    city: City, tmp_path: Path
) -> None:
    lake = city.lake(tmp_path)
    zombie = Lander(Lake(lake.root, city.specs), city.kafka, PACE)
    zombie.run_once(lambda: zombie.landed.batches == 1)
    in_hand = zombie._consumer.consume(PACE.max_records, 5.0)
    assert [message for message in in_hand if message.error() is not None] == []
    believed = dict(zombie._reached)  # here it is paused, and does not hear that the group
    zombie._consumer.close()  # gives its partitions away
    zombie._reached.update(believed)
    with lander(city, lake) as heir:
        heir.run_once(never)
    assert_each_record_landed_once(city, lake)
    assert len(in_hand) > 100
    before = lake.table(BRONZE).version, lake.table(DEAD).version
    roads = lake.table("silver.road_segment").read(columns=["segment_id", "source"])
    judged = zombie._judge.judge(cast("list[Record]", in_hand), roads, START)
    with pytest.raises(Fenced):
        zombie._landing.commit(judged, zombie._reached, 0.0)
    assert (lake.table(BRONZE).refresh(), lake.table(DEAD).refresh()) == before
    assert_each_record_landed_once(city, lake)


def test_two_landers_share_the_partitions_and_land_each_record_once(
    city: City, tmp_path: Path
) -> None:
    lake = city.lake(tmp_path)
    landed: list[int] = []

    def work() -> None:
        with lander(city, Lake(lake.root, city.specs), LandingPace(200, 0.1)) as member:
            member.run_once(never)
        landed.append(member.landed.rows)

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert_each_record_landed_once(city, lake)
    assert sum(landed) == len(places(lake, BRONZE))
    assert len(landed) == 2


@pytest.mark.parametrize(
    ("edits", "reason", "failed_id"),
    [
        pytest.param(
            [("schemas/tables/bronze.traffic_event.yaml",
              "column: speed_kmh, min: 1, max: 160", "column: speed_kmh, min: 1, max: 2")],
            "mean_speed_plausible failed", "mean_speed_plausible", id="implausible speeds",
        ),
        pytest.param(
            [("ops.yaml", "max_ratio: 0.5 ", "max_ratio: 0.001 "),
             ("ops.yaml", "ratio_window_records: 20000", "ratio_window_records: 200")],
            "more dead letters than max_ratio", "dead_letters_max_ratio",
            id="a flood of dead letters",
        ),
    ],
)  # fmt: skip
def test_a_refused_batch_stops_the_lander_and_nothing_of_it_is_landed(
    city: City, tmp_path: Path, edits: list[tuple[str, str, str]], reason: str, failed_id: str
) -> None:
    lake = city.lake(tmp_path, edited_specs(tmp_path, *edits))
    dead_letters = len(messages(city.kafka, "traffic_event_dlq"))
    with lander(city, lake) as member, pytest.raises(BatchRefused, match=reason):
        member.run_once(never)
    assert places(lake, BRONZE) == places(lake, DEAD) == []
    assert len(messages(city.kafka, "traffic_event_dlq")) == dead_letters
    lake.table("ops.validation_result").refresh()
    results = lake.table("ops.validation_result").read().to_pylist()
    assert [(r["failed_ids"], r["is_success"]) for r in results if r["table_name"] == BRONZE] == [
        ([failed_id], False)
    ]
    with lander(city, Lake(lake.root, city.specs)) as mended:
        mended.run_once(never)
    assert_each_record_landed_once(city, lake)


class Commands:
    """The project's own commands on one home."""

    def __init__(self, settings: Settings) -> None:
        self._environment = settings.environment()

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "lakehouse", *arguments], env=self._environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> dict[str, object]:
        return self.result(self.start(*arguments))

    @staticmethod
    def result(process: "subprocess.Popen[str]") -> dict[str, object]:
        """What it prints as JSON, once it has ended well."""
        try:
            output, said = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
        assert process.returncode == 0, said[-3000:]
        found: dict[str, object] = json.loads(output)
        return found


def wait_for(is_done: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline, "no end in sight"
        time.sleep(0.2)


def versions_by_window(lake: Lake) -> Mapping[datetime, set[int]]:
    """Model versions of the scores of each window."""
    table = lake.table(SCORES)
    table.refresh()
    rows = table.read(columns=["window_start", "model_version"]).to_pylist()
    found: dict[datetime, set[int]] = {}
    for row in rows:
        found.setdefault(row["window_start"], set()).add(row["model_version"])
    return found


def assert_a_consumer_knows_the_news(lake: Lake, name: str, kafka: str) -> None:
    """Whoever has only the topic and its contract holds the table's rows, as far as it is news."""
    topic = name.split(".")[1]
    reader, table = ContractReader.of(topic), lake.table(name)
    table.refresh()
    told = reader.newest(reader.row(one.key(), one.value()) for one in messages(kafka, topic))
    rows = reader.newest(table.read().to_pylist())
    newest = max(row["window_start"] for row in rows.values())
    since = newest - timedelta(seconds=lake.specs.ops.limits.news_seconds)
    news = {key: row for key, row in rows.items() if row["window_start"] >= since}
    assert len(news) > 100
    assert {key: told.get(key) for key in news} == news
    assert set(told) <= set(rows)


def test_readings_become_scores_of_the_champion_and_the_books_balance(
    city: City, servers: dict[str, str], tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path, kafka_bootstrap=servers["kafka"], mlflow_uri=servers["mlflow"],
        spark_driver_memory="1g", reconcile_seconds=1.0, model_poll_seconds=0.5,
    )  # fmt: skip
    traffic, lake = Commands(settings), city.lake(tmp_path)
    bronze, checkpoint = lake.table(BRONZE), settings.stream_checkpoint

    # Initialise: history, without a model.
    landed = traffic.run("land", "--once")
    assert landed["rows"] == city.truth.records - sum(city.truth.malformed.values())
    assert traffic.run("stream", "--once")["score_rows"] == 0
    assert read_through(checkpoint) == bronze.refresh()
    teacher = Lake(lake.root, small_specs())
    first, metrics = train_model(teacher, servers["mlflow"])
    assert set(metrics) == set(city.specs.ml.horizons_minutes)

    # Manipulate: a new driver goes on, and the champion changes under it.
    live = START + HISTORY
    stream = traffic.start("stream")
    try:
        city.send(live, timedelta(minutes=30))
        traffic.run("land", "--once")
        wait_for(lambda: bool(versions_by_window(lake)), stream)
        second, _ = train_model(teacher, servers["mlflow"], as_champion=True)
        time.sleep(4 * settings.model_poll_seconds)  # the registry is asked on a timer
        city.send(live + timedelta(hours=2), timedelta(minutes=30))
        traffic.run("land", "--once")
        wait_for(lambda: told_through(lake, checkpoint) == bronze.refresh(), stream)
        wait_for(lambda: all(check.is_ok for check in balance(lake, city.offsets())), stream)
        told = names_told(settings.targets, "stream")
    finally:
        stream.terminate()
    assert int(str(Commands.result(stream)["score_rows"])) > 0

    # Validate.
    later = {"traffic_feature_drift"}  # looked at when the stream has run for a window
    assert told | later == {one.name for one in city.specs.ops.metrics if "stream" in one.by}
    assert second == first + 1
    by_window = versions_by_window(lake)
    newest = {window: found for window, found in by_window.items()
              if window >= live + timedelta(hours=2)}  # fmt: skip
    assert newest
    assert set().union(*newest.values()) == {second}
    assert first in set().union(*by_window.values())
    lake.table(SCORES).refresh()
    scored = lake.table(SCORES).read().to_pylist()
    assert {row["horizon_minutes"] for row in scored} == {15, 30, 60}
    assert all(0 <= row["congestion_probability"] <= 1 for row in scored)
    for name in (SILVER, SCORES):
        assert_a_consumer_knows_the_news(lake, name, servers["kafka"])
    told = messages(servers["kafka"], "congestion_scores")
    assert {json.loads(message.value() or b"")["model_version"] for message in told} == {
        first, second,
    }  # fmt: skip
    fresh = freshness_seconds(lake)
    assert fresh["p50_seconds"] is not None
    assert fresh["p50_seconds"] > 0
    audit = traffic.run("audit", "--json")
    assert audit["audit_ok"] is True

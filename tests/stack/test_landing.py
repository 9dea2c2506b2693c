"""Every record of the topic lands once or is a dead letter, whatever happens to a lander."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import cast

import pytest

from ingestion.decode import Record
from ingestion.judge import Judge
from ingestion.lander import Lander, LandingPace
from ingestion.records import KINDS
from lakehouse.audit import landing_balance
from lakehouse.commit import Commit, Note, Step
from lakehouse.tables import Lake, LakeTable
from quality.refusal import BatchRefused
from specs.errors import Fenced
from tests.edited_specs import edited_specs
from tests.stack.city import START, City, Place, messages

pytestmark = pytest.mark.stack

BRONZE, DEAD = "bronze.traffic_event", "bronze.dead_letter"
PACE = LandingPace(max_records=2000, max_seconds=0.25)
JOIN_SECONDS = 120.0


def never() -> bool:
    return False


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
        return DyingTable(self.specs.tables[name], self.folder(name), self.specs.ops)


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
        thread.join(JOIN_SECONDS)
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

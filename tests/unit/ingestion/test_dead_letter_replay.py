"""Dead letters are judged again, and what passes today lands once, under its own offset."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.dead_letter_query import DeadLetterFilter, dead_letter_counts, dead_letters
from ingestion.dead_letter_replay import DeadLetterReplay
from ingestion.judge import Judge
from lakehouse.audit import landing_balance
from lakehouse.commit import Commit, Note
from lakehouse.tables import Lake, LakeTable
from specs.errors import Fenced
from specs.loader import Specs, load_specs
from tests.edited_specs import edited_specs
from tests.kafka_record import KafkaRecord, event_json
from tests.rows import segment, table

BRONZE, DEAD, ROAD = "bronze.traffic_event", "bronze.dead_letter", "silver.road_segment"
NOTE = Note(job="land", spec_version="v")
AT = datetime(2018, 3, 5, 12, 0, 2, tzinfo=UTC)
ALL = DeadLetterFilter()
OFFSETS = {0: (0, 5)}


@pytest.fixture(scope="module")
def faster(tmp_path_factory: pytest.TempPathFactory) -> Specs:
    """Specs that take 300 km/h for a speed."""
    rule = ("schemas/tables/bronze.traffic_event.yaml", "min: 0.1, max: 250", "min: 0.1, max: 400")
    return edited_specs(tmp_path_factory.mktemp("faster"), rule)


@pytest.fixture
def landed(lake: Lake) -> Lake:
    """Five records: one lands; two are too fast, one has no text, one an unknown road."""
    roads = [segment("simulator:a", source="simulator")]
    lake.table(ROAD).merge(table(lake, ROAD, roads), NOTE)
    records = [
        KafkaRecord(event_json(event_id="e0"), 0),
        KafkaRecord(event_json(event_id="e1", speed_kmh=300.0), 1),
        KafkaRecord(None, 2, pairs=(("trace", b"\x00"), ("empty", None))),
        KafkaRecord(event_json(event_id="e3", speed_kmh=310.0), 3),
        KafkaRecord(event_json(event_id="e4", segment_id="simulator:b"), 4, b"simulator:b"),
    ]
    judge, known = Judge(lake.specs), lake.table(ROAD).read(columns=["segment_id", "source"])
    judged = judge.judge(records, known.combine_chunks(), AT)
    lake.table(DEAD).append(judged.dead, Note("land", "v", verdicts={"dead_lettered": 4}))
    lake.table(BRONZE).append(judged.accepted, Note("land", "v", verdicts={"landed": 1}))
    return lake


def under(specs: Specs, lake: Lake) -> Lake:
    return Lake(lake.root, specs)


def offsets(lake: Lake, name: str, **where: Any) -> list[int]:
    table = lake.table(name)
    table.refresh()
    return sorted(
        row["offset"] for row in table.read().to_pylist()
        if all(row[column] == value for column, value in where.items())
    )  # fmt: skip


def state(lake: Lake) -> list[list[dict[str, Any]]]:
    """All rows of both tables."""
    found = []
    for name in (BRONZE, DEAD):
        lake.table(name).refresh()
        rows = lake.table(name).read().to_pylist()
        found.append(sorted(rows, key=lambda row: int(row["offset"])))
    return found


def test_what_the_specs_of_today_accept_lands_where_it_was_sent(
    landed: Lake, faster: Specs
) -> None:
    done = DeadLetterReplay(under(faster, landed)).replay(ALL)
    assert done.as_dict() == {
        "judged": 4, "landed": 2, "resolved": 2,
        "still_dead": {"value_present": 1, "segment_known": 1},
    }  # fmt: skip
    bronze, dead = state(landed)
    assert [(row["offset"], row["event_id"], row["speed_kmh"]) for row in bronze] == [
        (0, "e0", 41.5), (1, "e1", 300), (3, "e3", 310),
    ]  # fmt: skip
    assert [(row["offset"], row["resolution"], row["resolved_spec_version"]) for row in dead] == [
        (1, "replayed", faster.version), (2, None, None), (3, "replayed", faster.version),
        (4, None, None),
    ]  # fmt: skip
    assert {row["spec_version"] for row in dead} == {landed.specs.version}
    assert bronze[1]["raw_value"] == dead[0]["raw_value"]
    assert all(check.is_ok for check in landing_balance(landed, OFFSETS))


def test_replaying_twice_changes_nothing(landed: Lake, faster: Specs) -> None:
    DeadLetterReplay(under(faster, landed)).replay(ALL)
    before, versions = state(landed), [landed.table(name).version for name in (BRONZE, DEAD)]
    done = DeadLetterReplay(under(faster, landed)).replay(ALL)
    assert (done.judged, done.landed, done.resolved) == (2, 0, 0)
    assert state(landed) == before
    assert [landed.table(name).version for name in (BRONZE, DEAD)] == versions


def test_under_the_same_specs_nothing_is_resolved(landed: Lake) -> None:
    done = DeadLetterReplay(under(load_specs(), landed)).replay(ALL)
    assert (done.judged, done.landed, done.resolved) == (4, 0, 0)
    assert offsets(landed, DEAD, resolved_at=None) == [1, 2, 3, 4]


def test_a_road_that_was_registered_since_lets_its_readings_land(landed: Lake) -> None:
    road = table(landed, ROAD, [segment("simulator:b", source="simulator")])
    landed.table(ROAD).merge(road, NOTE)
    assert DeadLetterReplay(under(load_specs(), landed)).replay(ALL).landed == 1
    assert offsets(landed, BRONZE) == [0, 4]


class DyingDead(LakeTable):
    """Takes no mark: the process dies here."""

    def merge(self, rows: object, note: Note, steps: object = ()) -> Commit:
        raise MemoryError("the process died before its mark")


class DyingLake(Lake):
    """A lake whose replay dies between its rows and its marks."""

    def table(self, name: str) -> LakeTable:
        if name != DEAD:
            return super().table(name)
        return DyingDead(self.specs.tables[name], self.folder(name), self.specs.ops)


def test_a_crash_before_the_mark_is_healed_by_the_next_replay(landed: Lake, faster: Specs) -> None:
    with pytest.raises(MemoryError, match="died"):
        DeadLetterReplay(DyingLake(landed.root, faster)).replay(ALL)
    assert offsets(landed, BRONZE) == [0, 1, 3]
    assert [check.is_ok for check in landing_balance(landed, OFFSETS)] == [True, False]
    done = DeadLetterReplay(under(faster, landed)).replay(ALL)
    assert (done.landed, done.resolved) == (0, 2)
    assert offsets(landed, BRONZE) == [0, 1, 3]
    assert all(check.is_ok for check in landing_balance(landed, OFFSETS))


def test_a_crash_is_healed_even_by_specs_that_refuse_the_record_again(
    landed: Lake, faster: Specs
) -> None:
    with pytest.raises(MemoryError):
        DeadLetterReplay(DyingLake(landed.root, faster)).replay(ALL)
    done = DeadLetterReplay(under(load_specs(), landed)).replay(ALL)
    assert (done.landed, done.resolved) == (0, 2)
    assert done.still_dead == {"value_present": 1, "segment_known": 1}
    assert all(check.is_ok for check in landing_balance(landed, OFFSETS))


class LateTable(LakeTable):
    """Another replay commits between this one's reading and its own commit."""

    rival: DeadLetterReplay

    def append(self, rows: Any, note: Note, steps: Any = ()) -> Commit:
        self.rival.replay(ALL)
        return super().append(rows, note, steps)


def test_two_replays_at_once_land_each_record_once(landed: Lake, faster: Specs) -> None:
    lake = under(faster, landed)
    late = LateTable(faster.tables[BRONZE], lake.folder(BRONZE), faster.ops)
    late.rival = DeadLetterReplay(under(faster, landed))
    lake._tables[BRONZE] = late
    with pytest.raises(Fenced):
        DeadLetterReplay(lake).replay(ALL)
    assert offsets(landed, BRONZE) == [0, 1, 3]
    assert all(check.is_ok for check in landing_balance(landed, OFFSETS))


FILTERS: dict[str, tuple[DeadLetterFilter, list[int]]] = {
    "all": (ALL, [1, 2, 3, 4]),
    "a rule": (DeadLetterFilter(reason="speed_in_range"), [1, 3]),
    "words of a reason": (DeadLetterFilter(reason="broken sensor"), [1, 3]),
    "a quote": (DeadLetterFilter(reason="it's"), []),
    "the record's source, or the key's": (DeadLetterFilter(source="simulator"), [1, 2, 3, 4]),
    "another source": (DeadLetterFilter(source="nyc_dot"), []),
    "up to a time": (DeadLetterFilter(until=AT), [1, 2, 3, 4]),
    "before the first": (DeadLetterFilter(until=AT - timedelta(hours=1)), []),
    "from a time": (DeadLetterFilter(since=AT), []),
    "resolved": (DeadLetterFilter(resolved=True), []),
    "unresolved": (DeadLetterFilter(resolved=False), [1, 2, 3, 4]),
}


@pytest.mark.parametrize("name", FILTERS)
def test_dead_letters_are_found_by(name: str, landed: Lake) -> None:
    asked, expected = FILTERS[name]
    assert dead_letters(landed, asked)["offset"].to_pylist() == expected


def test_a_list_is_cut_off_at_its_limit(landed: Lake) -> None:
    assert dead_letters(landed, ALL, limit=2)["offset"].to_pylist() == [1, 2]


def test_only_what_the_filter_chooses_is_replayed(landed: Lake, faster: Specs) -> None:
    done = DeadLetterReplay(under(faster, landed)).replay(DeadLetterFilter(reason="segment_known"))
    assert (done.judged, done.landed) == (1, 0)


def test_dead_letters_are_counted_by_rule_source_and_state(landed: Lake, faster: Specs) -> None:
    before = dead_letter_counts(landed, ALL)
    assert before == {
        "records": 4, "unresolved": 4,
        "by_rule": {"speed_in_range": 2, "segment_known": 1, "value_present": 1},
        "by_source": {"simulator": 4},
    }  # fmt: skip
    DeadLetterReplay(under(faster, landed)).replay(ALL)
    assert dead_letter_counts(landed, ALL)["unresolved"] == 2
    assert dead_letter_counts(landed, DeadLetterFilter(until=AT))["records"] < 5

"""A disturbed stream still holds every reading, and the truth about it adds up."""

import json
from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.disturbance import GATHERED_ROWS, Disturbance, disturb, gathered
from ingestion.records import KINDS, Records, Truth, joined
from specs.errors import WrongInput

MakeEvents = Callable[..., pa.RecordBatch]
ratio = st.floats(0, 1)


def everything(batches: list[pa.RecordBatch], disturbance: Disturbance) -> Records:
    return joined(list(disturb(batches, disturbance)))


def of_kind(records: Records, *kinds: str) -> Records:
    return records[np.flatnonzero(np.isin(records.kinds, [KINDS.index(kind) for kind in kinds]))]


def wire(records: Records) -> list[tuple[bytes | None, bytes | None]]:
    return list(zip(records.keys, records.values, strict=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    late=ratio, duplicate=ratio, malformed=ratio, seed=st.integers(0, 99), water=st.floats(0, 90)
)
def test_every_reading_is_there_once_and_the_truth_adds_up(
    make_events: MakeEvents,
    late: float,
    duplicate: float,
    malformed: float,
    seed: int,
    water: float,
) -> None:
    disturbance = Disturbance(late, duplicate, malformed, water, seed)
    records = everything([make_events(60), make_events(40, first=60)], disturbance)
    truth = Truth()
    truth.add(records)
    readings = of_kind(records, "on_time", "late", "too_late")
    assert Counter(json.loads(value)["event_id"] for value in readings.values) == Counter(
        f"e{number}" for number in range(100)
    )
    assert set(wire(of_kind(records, "duplicate"))) <= set(wire(readings))
    assert truth.events == 100
    assert truth.records == 100 + truth.duplicates + sum(truth.malformed.values()) == len(records)
    assert (np.diff(records.position) >= 0).all()


def test_without_disturbance_the_readings_pass_in_order(make_events: MakeEvents) -> None:
    records = everything([make_events(10)], Disturbance())
    assert [json.loads(value)["event_id"] for value in records.values] == [
        f"e{n}" for n in range(10)
    ]
    assert list(records.keys) == [f"s:{n % 7}".encode() for n in range(10)]
    assert (records.position == records.event_time).all()


@pytest.mark.parametrize("size", [5, 100, 1000])
def test_the_same_seed_gives_the_same_bytes_however_readings_are_batched(
    make_events: MakeEvents, size: int
) -> None:
    disturbance = Disturbance(0.1, 0.1, 0.1, watermark_seconds=60, seed=5)
    # Half of the readings share their event time with another one.
    events = pa.concat_batches([make_events(300, 0.5), make_events(300, 0.5, first=300)])
    whole = everything([events], disturbance)
    split = [events.slice(at, size) for at in range(0, 600, size)]
    assert wire(everything(split, disturbance)) == wire(whole)


def test_readings_are_gathered_in_order_and_none_is_held_back(make_events: MakeEvents) -> None:
    small = [make_events(700, first=700 * number) for number in range(4)]
    sizes = [batch.num_rows for batch in gathered(small)]
    assert (sizes, GATHERED_ROWS) == ([2100, 700], 2000)
    assert pa.Table.from_batches(gathered(small)) == pa.Table.from_batches(small)
    assert list(gathered([])) == []


def test_another_seed_gives_other_bytes(make_events: MakeEvents) -> None:
    one, two = (
        everything([make_events(200)], Disturbance(0.1, 0.1, 0.1, seed=seed)) for seed in (1, 2)
    )
    assert wire(one) != wire(two)


def test_late_readings_stay_within_the_watermark_and_too_late_ones_do_not(
    make_events: MakeEvents,
) -> None:
    records = everything([make_events(5000)], Disturbance(late_ratio=0.3, watermark_seconds=100))
    lateness = records.position - records.event_time
    late = of_kind(records, "late")
    too_late = of_kind(records, "too_late")
    assert len(late) + len(too_late) == pytest.approx(1500, abs=100)
    assert len(too_late) == pytest.approx(375, abs=60)
    assert (late.position - late.event_time).min() > 0
    assert (late.position - late.event_time).max() <= 100
    assert (too_late.position - too_late.event_time).min() > 100
    assert (lateness[records.kinds == KINDS.index("on_time")] == 0).all()


def test_a_duplicate_comes_after_its_reading(make_events: MakeEvents) -> None:
    records = everything([make_events(300)], Disturbance(0.2, 0.5, watermark_seconds=50))
    seen = set()
    for value, kind in zip(records.values, records.kinds, strict=True):
        if KINDS[kind] == "duplicate":
            assert value in seen
        seen.add(value)


def test_the_end_of_the_readings_waits_for_nobody(make_events: MakeEvents) -> None:
    # All 100 readings would be late by 60 s or more, but after 99 s there is no more event time.
    records = everything([make_events(100)], Disturbance(late_ratio=1, watermark_seconds=600))
    assert records.position.max() == records.event_time.max()
    truth = Truth()
    truth.add(records)
    assert truth.too_late == 0
    assert truth.events == 100


@pytest.mark.parametrize("wrong", [{"late_ratio": -0.1}, {"malformed_ratio": 1.5}])
def test_a_ratio_outside_0_to_1_is_wrong_input(wrong: dict[str, float]) -> None:
    with pytest.raises(WrongInput, match="give 0 to 1"):
        Disturbance(**wrong)

"""Records go out when they are due, never before, and on a clock that tests move."""

from collections.abc import Iterator

import numpy as np
import pytest

from ingestion.pacing import SLICE_RECORDS, Schedule, pace
from ingestion.producer import Delivered, send_all
from ingestion.records import Records, objects
from specs.errors import Unavailable, WrongInput


class FakeClock:
    """Time that passes only while someone sleeps; stops by itself at ``end``."""

    def __init__(self, end: float = float("inf")) -> None:
        self.time = 1000.0
        self.end = self.time + end

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def stopped(self) -> bool:
        return self.time >= self.end


class MemorySender:
    """Takes records into a list; reports ``lost`` fewer than it was given."""

    def __init__(self, lost: int = 0) -> None:
        self.values: list[bytes] = []
        self.lost = lost

    def send(self, records: Records) -> None:
        self.values.extend(records.values)

    def flush(self) -> Delivered:
        return Delivered(records=len(self.values) - self.lost)


def records(positions: list[float], first: int = 0) -> Records:
    values = objects([f"{first + n}".encode() for n in range(len(positions))])
    at = np.array(positions, dtype=np.float64)
    return Records(values, values, at, at, np.zeros(len(at), np.uint8))


def sent(
    chunks: list[Records], schedule: Schedule, clock: FakeClock
) -> Iterator[tuple[float, int]]:
    """Seconds since the start, and the number of the record, of each record sent."""
    start = clock.now()
    for part in pace(chunks, schedule, clock):
        for value in part.values:
            yield clock.now() - start, int(value)


def test_event_time_passes_at_the_speedup() -> None:
    # 60, 120 and 600 s after the first, at 60 times the speed: 1, 2 and 10 s.
    chunks = [records([5000, 5060]), records([5120, 5600], first=2)]
    found = list(sent(chunks, Schedule(speedup=60), FakeClock()))
    assert [number for _, number in found] == [0, 1, 2, 3]
    assert [moment for moment, _ in found] == pytest.approx([0, 1, 2, 10], abs=0.006)


def test_a_rate_counts_records_over_chunks() -> None:
    chunks = [records([0.0] * 3), records([0.0] * 3, first=3)]
    moments = [moment for moment, _ in sent(chunks, Schedule(rate=2), FakeClock())]
    assert moments == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5], abs=0.006)


@pytest.mark.parametrize("schedule", [Schedule(speedup=7), Schedule(rate=130)])
def test_no_record_goes_out_before_it_is_due(schedule: Schedule) -> None:
    positions = list(np.sort(np.random.default_rng(1).uniform(0, 20, 500)))
    due = schedule.due(records(positions), positions[0], 0)
    moments = [moment for moment, _ in sent([records(positions)], schedule, FakeClock())]
    assert all(moment >= at - 1e-9 for moment, at in zip(moments, due, strict=True))


def test_who_is_behind_catches_up_at_once() -> None:
    clock = FakeClock()
    found = []
    for part in pace([records([0, 1, 2, 3])], Schedule(speedup=1), clock):
        found.append((round(clock.now() - 1000), len(part)))
        if clock.now() == 1000:
            clock.sleep(2.5)  # the sender took its time
    assert found == [(0, 1), (2, 2), (3, 1)]


def test_without_a_schedule_nothing_waits_and_slices_are_bounded() -> None:
    clock = FakeClock()
    parts = list(pace([records([0.0, 1e9] * SLICE_RECORDS)], Schedule(), clock))
    assert [len(part) for part in parts] == [SLICE_RECORDS] * 2
    assert clock.now() == 1000.0


def test_a_stopped_clock_ends_the_sending_between_two_slices() -> None:
    numbers = list(sent([records([0, 1, 2, 3])], Schedule(speedup=1), FakeClock(end=1.5)))
    assert [number for _, number in numbers] == [0, 1]


@pytest.mark.parametrize("wrong", [{"speedup": 0.0}, {"rate": -1.0}, {"rate": float("inf")},
                                   {"speedup": 1.0, "rate": 1.0}])  # fmt: skip
def test_a_schedule_that_cannot_be_is_wrong_input(wrong: dict[str, float]) -> None:
    with pytest.raises(WrongInput):
        Schedule(**wrong)


def test_the_report_counts_what_was_delivered() -> None:
    truth, delivered = send_all([records([0, 1]), records([2], first=2)], MemorySender())
    assert (truth.records, truth.events, delivered.records) == (3, 3, 3)


def test_a_record_that_nobody_reported_is_a_failure() -> None:
    with pytest.raises(Unavailable, match="3 records were sent, but the broker reported 2"):
        send_all([records([0, 1, 2])], MemorySender(lost=1))

"""Each event counts once, however often it is delivered, and is forgotten once it would be late."""

from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.jobs.seen_events import SeenEvents
from tests.rows import after

PANE = timedelta(seconds=300)
Event = tuple[int, int]
"""Number and second of event time."""


def events(*rows: Event) -> pa.Table:
    return pa.table({
        "event_id": [f"e{number}" for number, _ in rows],
        "event_time": pa.array([after(second) for _, second in rows], pa.timestamp("us", "UTC")),
    })  # fmt: skip


def test_the_first_delivery_counts_and_no_other() -> None:
    seen = SeenEvents(PANE)
    assert seen.first(events((1, 0), (2, 299), (1, 0))).tolist() == [True, True, False]
    assert seen.first(events((2, 299), (3, 300), (1, 0))).tolist() == [False, True, False]
    assert len(seen) == 3
    assert seen.size_bytes == 24


def test_ids_that_differ_in_two_digits_are_two_events() -> None:
    ids = ["simulator:s00008:1714976388000", "simulator:s00003:1714973388000"]
    times = pa.array([after(0), after(0)], pa.timestamp("us", "UTC"))
    assert SeenEvents(PANE).first(pa.table({"event_id": ids, "event_time": times})).all()


def test_no_event_is_no_first() -> None:
    assert SeenEvents(PANE).first(events()[:0]).tolist() == []


def test_what_is_forgotten_goes_by_the_bucket() -> None:
    seen = SeenEvents(PANE)
    seen.first(events((1, 0), (2, 299), (3, 300)))
    seen.forget(after(299))
    assert len(seen) == 3
    seen.forget(after(300))
    assert len(seen) == 1
    assert seen.first(events((2, 299), (3, 300))).tolist() == [True, False]


@given(st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 900)), max_size=40),
                max_size=12))  # fmt: skip
def test_any_split_into_batches_gives_what_a_set_gives(batches: Sequence[Sequence[Event]]) -> None:
    seen, known = SeenEvents(PANE), set[int]()
    for batch in batches:
        expected = []
        for number, _ in batch:
            expected.append(number not in known)
            known.add(number)
        assert seen.first(events(*batch)).tolist() == expected
    assert len(seen) == len(known)

"""Sums of panes add up: over micro-batches to panes, over panes to windows."""

from typing import Any

import pyarrow as pa

from lakehouse.transforms.window_aggregate import add_panes, window_aggregate
from specs.loader import Specs
from tests.aggregates import Observation, aggregate, aggregates
from tests.rows import after

SLOW, FAST, FASTER = Observation(30.0, 2), Observation(60.0), Observation(61.0, 1, 0.5, 12.0)


def panes(specs: Specs, *parts: tuple[float, list[Observation]]) -> pa.Table:
    """A pane a part: seconds of its end, and what was observed in it."""
    made = aggregates([
        aggregate(observed, specs.transforms.histogram, window_end=after(end))
        for end, observed in parts
    ])  # fmt: skip
    named = made.rename_columns({"window_end": "pane_end"})
    return named.drop_columns("window_seconds")


def by_end(table: pa.Table, column: str) -> dict[Any, dict[str, Any]]:
    return {row.pop(column): row for row in table.to_pylist()}


def test_the_sums_of_two_batches_are_those_of_one(specs: Specs) -> None:
    first = panes(specs, (300, [SLOW]), (600, [FAST]))
    second = panes(specs, (300, [FASTER, FAST]), (900, [SLOW]))
    both = panes(specs, (300, [SLOW, FASTER, FAST]), (600, [FAST]), (900, [SLOW]))
    added = add_panes(first, second, specs.transforms)
    assert added.schema == first.schema
    assert by_end(added, "pane_end") == by_end(both, "pane_end")


def test_a_batch_without_readings_changes_nothing(specs: Specs) -> None:
    held = panes(specs, (300, [SLOW]))
    assert add_panes(held, held.schema.empty_table(), specs.transforms) == held


def test_only_windows_that_hold_a_changed_pane_are_made(specs: Specs) -> None:
    held = panes(specs, (300, [SLOW]), (600, [FAST]), (3000, [FAST]))
    changed = held.slice(1, 1)
    made = window_aggregate(held, specs.transforms, changed)
    counts = {
        (row["window_seconds"], row["window_end"]): row["event_count"] for row in made.to_pylist()
    }
    assert counts == {
        (300, after(600)): 1,
        (900, after(600)): 2, (900, after(900)): 2, (900, after(1200)): 1,
    }  # fmt: skip

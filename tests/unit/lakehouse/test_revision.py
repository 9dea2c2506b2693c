"""A recompute commits what differs, one revision up, and leaves the rest alone."""

from typing import Any

import pyarrow as pa
import pytest

from lakehouse.transforms.revision import changed_rows
from specs.arrow import arrow_schema
from specs.loader import load_specs
from tests.rows import after, metric

TABLE = load_specs().tables["silver.segment_metric"]
KPI = load_specs().tables["gold.network_kpi"]


def changed(recomputed: list[dict[str, Any]], existing: list[dict[str, Any]]) -> list[Any]:
    made = [pa.Table.from_pylist(rows, schema=arrow_schema(TABLE))
            for rows in (recomputed, existing)]  # fmt: skip
    found = changed_rows(made[0], made[1], TABLE)
    assert found.schema == arrow_schema(TABLE)
    return list(found.to_pylist())


def test_a_new_row_has_the_revision_it_came_with() -> None:
    row = metric("s:a", 0)
    assert changed([row], []) == [row]


def test_a_changed_row_is_one_revision_up() -> None:
    before, now = metric("s:a", 0, revision=4), metric("s:a", 0, event_count=2)
    assert changed([now], [before]) == [now | {"revision": 5}]


@pytest.mark.parametrize(
    "difference",
    [
        {"kafka_timestamp_max": after(9)}, {"committed_at": after(9)}, {"revision": 3},
        {"is_final": True},
    ],
)  # fmt: skip
def test_stamps_revision_and_finality_alone_are_no_change(difference: dict[str, Any]) -> None:
    assert changed([metric("s:a", 0, **difference)], [metric("s:a", 0)]) == []


def test_what_stands_on_a_row_of_silver_follows_its_finality_and_revision() -> None:
    open_row, final = (
        metric("s:a", 0, revision=4, is_final=is_final) for is_final in (False, True)
    )
    corrected, other = final | {"revision": 5}, final | {"event_count": 2}

    def following(now: dict[str, Any], before: dict[str, Any]) -> list[Any]:
        rows = (pa.Table.from_pylist([row], schema=arrow_schema(TABLE)) for row in (now, before))
        return list(changed_rows(*rows, TABLE, of_silver=True).to_pylist())

    assert following(final, open_row) == [final]
    assert following(open_row, final) == []
    assert following(corrected, final) == [corrected]
    assert following(other, final) == [other]


@pytest.mark.parametrize(
    ("before", "now"),
    [(None, 50.0), (50.0, None), (50.0, 50.00000000000001)],
)
def test_a_null_is_another_value_and_so_is_the_last_bit(
    before: float | None, now: float | None
) -> None:
    rows = [metric("s:a", 0, speed_kmh_mean=speed) for speed in (before, now)]
    assert len(changed(rows[1:], rows[:1])) == 1
    assert changed(rows[:1], rows[:1]) == []


def test_a_flag_more_is_a_change() -> None:
    assert changed([metric("s:a", 0, anomalies=["standstill"])], [metric("s:a", 0)])


def test_a_row_is_compared_with_its_own_key_only() -> None:
    existing = [metric("s:a", 0), metric("s:a", 0, window_seconds=900), metric("s:a", 300)]
    asked = [metric("s:b", 0), metric("s:a", 0, window_seconds=900, event_count=2), existing[2]]
    keys = [(row["segment_id"], row["window_seconds"], row["revision"])
            for row in changed(asked, existing)]  # fmt: skip
    assert keys == [("s:a", 900, 1), ("s:b", 300, 0)]


def test_a_row_that_is_not_recomputed_stays() -> None:
    assert changed([], [metric("s:a", 0)]) == []


def test_a_table_without_revisions_is_compared_too() -> None:
    row = {
        "source": "s", "window_start": after(0), "segment_count": 1, "congested_ratio": None,
        "travel_time_index_mean": 1.0, "delay_s_total": 0.0, "vehicle_delay_h_total": None,
        "is_final": True, "committed_at": after(1),
    }  # fmt: skip
    same, other = row | {"committed_at": after(2)}, row | {"segment_count": 2}
    before, *now = (
        pa.Table.from_pylist([one], schema=arrow_schema(KPI)) for one in (row, same, other)
    )
    assert [changed_rows(one, before, KPI).num_rows for one in now] == [0, 1]

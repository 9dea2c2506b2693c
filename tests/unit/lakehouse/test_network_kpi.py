"""A network's indicators are over the observed segments of one source and window."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.transforms.network_kpi import network_kpi
from specs.arrow import arrow_schema
from specs.loader import Specs, load_specs
from tests.edited_specs import Edit, edited_specs
from tests.rows import after, metric

SPECS = load_specs()
AT = datetime(2018, 3, 5, 1, tzinfo=UTC)
JAM = metric("s:a", 0, travel_time_index=2.0, delay_s=65.0, vehicle_delay_h=0.5)
FREE = metric("s:b", 0, is_congested=False, travel_time_index=1.0, delay_s=0.0)
SILENT = metric("s:c", 0, observation_count=0, is_congested=None, speed_kmh_mean=None,
                travel_time_index=None, delay_s=None)  # fmt: skip


def kpis(*rows: dict[str, Any], specs: Specs = SPECS) -> list[dict[str, Any]]:
    schema = arrow_schema(specs.tables["silver.segment_metric"])
    made = network_kpi(pa.Table.from_pylist(list(rows), schema=schema), specs, at=AT)
    assert made.schema == arrow_schema(specs.tables["gold.network_kpi"])
    return list(made.to_pylist())


def test_a_window_sums_up_its_observed_segments() -> None:
    assert kpis(JAM, FREE, SILENT) == [{
        "source": "s", "window_start": after(0), "segment_count": 2, "congested_ratio": 0.5,
        "travel_time_index_mean": 1.5, "delay_s_total": 65.0, "vehicle_delay_h_total": 0.5,
        "is_final": False, "committed_at": AT,
    }]  # fmt: skip


def test_a_window_without_an_observation_counts_no_segment_and_no_delay() -> None:
    [row] = kpis(SILENT)
    assert row["segment_count"] == 0
    assert {row[name] for name in ("congested_ratio", "travel_time_index_mean", "delay_s_total")} \
        == {None}  # fmt: skip


def test_sources_and_windows_stand_alone_and_in_order() -> None:
    rows = kpis(metric("t:a", 0, source="t"), metric("s:a", 300), JAM)
    assert [(row["source"], row["window_start"], row["segment_count"]) for row in rows] == [
        ("s", after(0), 1), ("s", after(300), 1), ("t", after(0), 1),
    ]  # fmt: skip


def test_windows_of_another_length_are_left_out() -> None:
    assert kpis(metric("s:a", 0, window_seconds=900)) == []


def test_a_window_is_final_when_all_its_segments_are() -> None:
    final = [row | {"is_final": True} for row in (JAM, FREE)]
    assert kpis(*final)[0]["is_final"] is True
    assert kpis(final[0], FREE)[0]["is_final"] is False


def test_the_order_of_the_rows_does_not_change_a_bit() -> None:
    rows = [metric(f"s:{n}", 0, delay_s=delay) for n, delay in enumerate((0.1, 0.2, 0.3))]
    assert kpis(*rows) == kpis(*reversed(rows))


EDITS: dict[str, tuple[Edit, str, object, object]] = {
    "a KPI": (
        ("transforms.yaml", 'expr: "avg(travel_time_index)"', 'expr: "max(travel_time_index)"'),
        "travel_time_index_mean", 1.5, 2.0,
    ),
    "a weight": (
        ("transforms.yaml", 'expr: "sum(delay_s)"', 'expr: "sum(delay_s) / 60"'),
        "delay_s_total", 65.0, 65 / 60,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_kpi_changes_the_result_with_no_code_edit(what: str, tmp_path: Path) -> None:
    edit, column, before, then = EDITS[what]
    assert kpis(JAM, FREE)[0][column] == before
    assert kpis(JAM, FREE, specs=edited_specs(tmp_path, edit))[0][column] == then


def test_an_edited_window_length_is_the_one_that_is_summed_up(tmp_path: Path) -> None:
    longer = edited_specs(
        tmp_path, ("transforms.yaml", "id: five_minutes, size_seconds: 300, slide_seconds: 300",
                   "id: five_minutes, size_seconds: 600, slide_seconds: 600"),
    )  # fmt: skip
    ten_minutes = metric("s:a", 0, window_seconds=600)
    assert [row["segment_count"] for row in kpis(JAM, FREE, ten_minutes, specs=longer)] == [1]

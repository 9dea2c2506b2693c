"""The day's report says what the tables say of that day, and nothing of another one."""

import re
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lakehouse.commit import Note, Step
from lakehouse.quality_report import Day, sections
from lakehouse.tables import Lake
from quality.pages import outside_references
from quality.report_page import Section, Status, report_page
from tests.rows import MIDNIGHT, after, metric, reading, table

BRONZE, DEAD, SILVER = "bronze.traffic_event", "bronze.dead_letter", "silver.segment_metric"
NOTE = Note(job="land", spec_version="t")
TODAY = Day(MIDNIGHT.date())
NEXT_DAY = 86_400.0


def result(table_name: str, run_id: str, seconds: float, *failed: str) -> dict[str, Any]:
    return {
        "run_id": run_id, "table_name": table_name, "validated_at": after(seconds),
        "is_success": not failed, "row_count": 10, "sample_count": 4, "duration_s": 0.1,
        "failed_ids": list(failed), "spec_version": "t", "details": "{}",
    }  # fmt: skip


def letter(offset: int, seconds: float, *rules: str) -> dict[str, Any]:
    return {
        "topic": "traffic_event", "partition": 0, "offset": offset, "raw_key": b"k",
        "raw_value": b"<v>", "kafka_timestamp": after(seconds), "reason": "<bad>",
        "rule_ids": list(rules), "failed_at": after(seconds), "spec_version": "t",
        "resolved_at": None, "resolution": None,
    }  # fmt: skip


@pytest.fixture
def day_of(lake: Lake) -> Lake:
    """Two landed readings, a refused batch, three dead letters, two windows; and the next day."""
    lake.table(BRONZE).append(
        table(lake, BRONZE, [reading(0, 0), reading(1, 1)]), NOTE,
        [Step("land/traffic_event/0", None, 1)],
    )  # fmt: skip
    lake.table("ops.validation_result").append(
        table(lake, "ops.validation_result", [
            result(SILVER, "a", 5, "mean_in_range", "key_unique"), result(SILVER, "b", 6),
            result(BRONZE, "c", 7), result(BRONZE, "d", NEXT_DAY, "key_unique"),
        ]), NOTE,
    )  # fmt: skip
    lake.table(DEAD).append(
        table(lake, DEAD, [
            letter(2, 1, "value_is_json"), letter(3, 2, "value_is_json", "key_present"),
            letter(4, NEXT_DAY, "value_is_json"),
        ]), NOTE,
    )  # fmt: skip
    lake.table(SILVER).append(
        table(lake, SILVER, [
            metric("s:a", 0, detector_health=["constant"]), metric("s:a", 300),
            metric("s:a", 600, detector_health=["constant"], committed_at=after(NEXT_DAY)),
            metric("s:a", 0, window_seconds=900, detector_health=["constant"]),
        ]), NOTE,
    )  # fmt: skip
    return lake


def told(lake: Lake, title: str, offsets: dict[int, tuple[int, int]] | None = None) -> list[Any]:
    (found,) = [one for one in sections(lake, TODAY, offsets) if one.title == title]
    return list(found.rows)


def test_a_refused_batch_counts_once_however_many_rules_it_broke(day_of: Lake) -> None:
    assert told(day_of, "Gates by layer") == [
        ("bronze", BRONZE, 1, 0, 10, 4, "", Status("passed")),
        ("silver", SILVER, 2, 1, 20, 8, "key_unique, mean_in_range", Status("failed")),
    ]


def test_dead_letters_are_counted_by_rule(day_of: Lake) -> None:
    assert told(day_of, "Dead letters by rule") == [
        ("value_is_json", 2, 2, "<bad>"), ("key_present", 1, 1, "<bad>"),
    ]  # fmt: skip


def test_detectors_are_judged_by_the_primary_windows_of_the_day(day_of: Lake) -> None:
    (row,) = told(day_of, "Detector health by rule")
    assert row[:5] == ("constant", "s", 1, 1, 0.5)
    (worst,) = told(day_of, "Segments with the least healthy detectors")
    assert worst == ("s:a", 1, 2, 0.5, pytest.approx(0.2))


def test_lag_and_balance_are_of_what_kafka_holds(day_of: Lake) -> None:
    rows = told(day_of, "Promises", {0: (0, 6)})
    by_name = {row[0]: row[2:] for row in rows}
    assert by_name["lag of the lander"] == ("4 records", Status("missed"))
    assert by_name["Kafka offsets in bronze or dead letters"] == ("5 of 6", Status("missed"))


def test_what_was_not_measured_is_not_called_good(day_of: Lake) -> None:
    states = {row[0]: row[3] for row in told(day_of, "Promises")}
    assert states["lag"] == states["balance"] == states["freshness"] == Status("not measured")


class _Balanced(HTMLParser):
    """Counts the tags that are open at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_but_itself_and_runs_nothing(day_of: Lake, tmp_path: Path) -> None:
    shown = list(sections(day_of, TODAY, {0: (0, 6)}))
    page = report_page(TODAY.date, "2018-03-05 12:00 UTC", shown)
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "report.html").write_text(page)
    assert outside_references(folder) == []
    assert not re.search(r"<script|<link|<img|src=|href=", page)
    assert "<bad>" not in page
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == []


def test_what_is_off_stands_at_the_top() -> None:
    rows = [("a", Status("met")), ("b", Status("missed")), ("c", Status("not measured"))]
    page = report_page(date(2018, 3, 5), "now", [Section("Promises", "", ("P", "S"), rows)])
    assert "1 off</span> Promises: b</p>" in page


def test_a_day_is_half_open() -> None:
    following = Day(TODAY.date + timedelta(days=1))
    assert "< TIMESTAMPTZ '2018-03-06T00:00:00+00:00'" in TODAY.holds("t")
    assert ">= TIMESTAMPTZ '2018-03-06T00:00:00+00:00'" in following.holds("t")

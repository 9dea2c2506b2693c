"""The books are written at most once a second, and at the end."""

import pytest

from lakehouse.commit import Note
from lakehouse.journal import Journal
from lakehouse.tables import Lake
from tests.rows import after, reading, table

BRONZE = "bronze.traffic_event"


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(lake: Lake, clock: Clock) -> Journal:
    return Journal(lake, [BRONZE], clock)


def result(run_id: str) -> dict[str, object]:
    return {
        "run_id": run_id, "table_name": BRONZE, "validated_at": after(0), "is_success": True,
        "row_count": 1, "sample_count": 1, "duration_s": 0.1, "failed_ids": [],
        "spec_version": "v", "details": "{}",
    }  # fmt: skip


def land(lake: Lake) -> None:
    note = Note(job="land", spec_version="v", verdicts={"landed": 1})
    lake.table(BRONZE).append(table(lake, BRONZE, [reading(0, 0)]), note)


def written(lake: Lake, name: str, column: str) -> list[object]:
    lake.table(name).refresh()
    return list(lake.table(name).read(columns=[column])[column].to_pylist())


def test_results_and_commits_wait_for_a_second_to_pass(
    lake: Lake, journal: Journal, clock: Clock
) -> None:
    land(lake)
    journal.note(result("a"))
    clock.seconds = 100.999
    journal.write_if_due()
    assert written(lake, "ops.validation_result", "run_id") == []
    assert written(lake, "ops.ledger", "table_version") == []
    clock.seconds = 101.0
    journal.write_if_due()
    assert written(lake, "ops.validation_result", "run_id") == ["a"]
    assert written(lake, "ops.ledger", "table_version") == [1]


def test_a_result_is_written_once(lake: Lake, journal: Journal, clock: Clock) -> None:
    journal.note(result("a"))
    clock.seconds += 5
    journal.write()
    journal.note(result("b"))
    clock.seconds += 0.5
    journal.write_if_due()
    assert written(lake, "ops.validation_result", "run_id") == ["a"]
    clock.seconds += 0.5
    journal.write_if_due()
    assert sorted(map(str, written(lake, "ops.validation_result", "run_id"))) == ["a", "b"]


def test_the_end_does_not_wait(lake: Lake, journal: Journal) -> None:
    land(lake)
    journal.note(result("a"))
    journal.write()
    assert written(lake, "ops.validation_result", "run_id") == ["a"]
    assert written(lake, "ops.ledger", "job") == ["land"]


def test_nothing_new_makes_no_commit(lake: Lake, journal: Journal) -> None:
    journal.write()
    before = [lake.table(name).refresh() for name in ("ops.validation_result", "ops.ledger")]
    journal.write()
    after_it = [lake.table(name).refresh() for name in ("ops.validation_result", "ops.ledger")]
    assert before == after_it

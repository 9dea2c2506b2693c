"""The checker is checked: a good lake passes, and each fault planted in a copy is caught.

Each fault must set off the very check that is meant for it, not just any.
"""

import shutil
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse.audit import Check, proof
from lakehouse.commit import Note
from lakehouse.ledger import brought_forward
from lakehouse.table_snapshot import EXPIRE
from lakehouse.tables import Lake
from specs.loader import Specs, load_specs
from tests.audit.faults import (
    COLUMNS,
    DEAD_LETTERED,
    FAULTS,
    GONE,
    HORIZONS,
    KAFKA_FAULTS,
    KPI_VALUES,
    LANDED,
    LEDGER,
    OWED,
    RICH,
    deleted,
)
from tests.audit.good_lake import (
    BRONZE,
    DEAD,
    KPI,
    MODEL,
    SCORES,
    SILVER,
    START,
    Good,
    good_lake,
)
from tests.audit.planting import drop, edit_log, spoil

CUT = "days and tables that retention has cut, without a row that was due"
FIRST_DAY = f"window_start::DATE = DATE '{START.date()}'"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    return good_lake(tmp_path_factory.mktemp("good") / "lake", load_specs())


def audited(good: Good, root: Path, specs: Specs) -> dict[str, Check]:
    checks = proof(Lake(root, specs), good.offsets, [good.records], {MODEL})
    return {check.name: check for check in checks}


@pytest.fixture
def copied(good: Good, tmp_path: Path) -> Path:
    return shutil.copytree(good.root, tmp_path / "lake")


def off(checks: dict[str, Check]) -> list[Check]:
    return [check for check in checks.values() if not check.is_ok]


def test_a_good_lake_passes_and_every_check_has_something_to_look_at(
    good: Good, specs: Specs
) -> None:
    checks = audited(good, good.root, specs)
    assert off(checks) == []
    assert [name for name, check in checks.items() if not check.expected] == [CUT, GONE]


def test_there_are_fifty_faults_and_more() -> None:
    assert len(FAULTS) + len(KAFKA_FAULTS) >= 50


@pytest.mark.parametrize("fault", FAULTS)
def test_the_audit_catches(fault: str, good: Good, copied: Path, specs: Specs) -> None:
    plant, meant = FAULTS[fault]
    plant(Lake(copied, specs))
    checks = audited(good, copied, specs)
    assert meant in {check.name for check in off(checks)}
    assert checks[meant].found != checks[meant].expected


@pytest.mark.parametrize("fault", KAFKA_FAULTS)
def test_the_audit_sees_that(fault: str, good: Good, specs: Specs) -> None:
    change, meant = KAFKA_FAULTS[fault]
    checks = audited(change(good), good.root, specs)
    assert meant in {check.name for check in off(checks)}


def test_what_kafka_hasdeleted_since_is_no_fault(good: Good, specs: Specs) -> None:
    checks = audited(deleted(good), good.root, specs)
    assert off(checks) == []
    assert checks[GONE].expected == 10


def test_what_kafkadeleted_before_it_was_landed_is_a_loss(
    good: Good, copied: Path, specs: Specs
) -> None:
    drop(Lake(copied, specs), BRONZE, 'partition = 0 AND "offset" = 4')
    checks = audited(deleted(good), copied, specs)
    assert checks[OWED].is_ok
    assert checks[GONE].found == checks[GONE].expected - 1
    assert checks[GONE].examples == ("partition 0 offset 4",)


def expire(lake: Lake, name: str, before: datetime) -> int:
    return lake.table(name).expire(before, Note("maintain", lake.specs.version))


@pytest.fixture
def cut(good: Good, copied: Path, specs: Specs) -> Lake:
    """The lake without its first day's readings and without its dead letters, past retention."""
    lake = Lake(copied, specs)
    readings = lake.table(BRONZE).read(columns=["event_id"]).num_rows
    assert 0 < expire(lake, BRONZE, good.first_day_landed) < readings
    assert expire(lake, DEAD, good.first_day_landed) > 0
    return Lake(copied, specs)


def test_what_retention_removed_is_no_fault(good: Good, cut: Lake, specs: Specs) -> None:
    checks, before = audited(good, cut.root, specs), audited(good, good.root, specs)
    assert off(checks) == []
    assert checks[CUT].expected == 3  # bronze, its first day, the dead letters
    assert 0 < checks[COLUMNS].expected < before[COLUMNS].expected


@pytest.mark.parametrize(
    ("name", "column", "where", "meant"),
    [
        (SILVER, "speed_kmh_mean", f"{RICH} AND NOT ({FIRST_DAY})", COLUMNS),
        (BRONZE, None, "true", LANDED),
        (SCORES, None, FIRST_DAY, HORIZONS),
        (KPI, "delay_s_total", "segment_count > 1", KPI_VALUES),
    ],
)
def test_what_retention_left_is_still_audited(
    name: str, column: str | None, where: str, meant: str, good: Good, cut: Lake, specs: Specs
) -> None:
    if column is None:
        drop(cut, name, where)
    else:
        spoil(cut, name, column, f"{column} + 1", where)
    assert meant in {check.name for check in off(audited(good, cut.root, specs))}


def test_a_commit_that_says_to_have_removed_what_is_there_is_caught(
    good: Good, copied: Path, specs: Specs
) -> None:
    def claiming(action: dict[str, Any]) -> dict[str, Any]:
        if action.get("txn", {}).get("appId") == "land/traffic_event/1":
            action["txn"] |= {"appId": f"{EXPIRE}/{START.date()}", "version": 4_000_000_000}
        return action

    lake = Lake(copied, specs)
    edit_log(lake, BRONZE, claiming)
    checks = {check.name: check for check in off(audited(good, copied, specs))}
    assert checks[CUT].examples == (f"bronze {START.date()}",)


def test_what_the_ledger_forgets_it_brings_forward(good: Good, copied: Path, specs: Specs) -> None:
    lake = Lake(copied, specs)
    time.sleep(1)  # moments of retention are whole seconds
    for name in (BRONZE, LEDGER):
        with_sums = partial(brought_forward, lake) if name == LEDGER else None
        note = Note("maintain", specs.version)
        assert lake.table(name).expire(datetime.now(UTC), note, with_sums) > 0
    assert lake.table(LEDGER).read(["job"]).num_rows == 0
    assert off(audited(good, copied, specs)) == []
    drop(lake, DEAD)
    assert DEAD_LETTERED in {check.name for check in off(audited(good, copied, specs))}


def test_scores_may_outlive_the_windows_that_they_were_made_of(
    good: Good, cut: Lake, specs: Specs
) -> None:
    assert expire(cut, SILVER, datetime.now(UTC)) > 0
    assert off(audited(good, cut.root, specs)) == []
    assert expire(cut, SCORES, datetime.now(UTC)) > 0
    assert expire(cut, KPI, datetime.now(UTC)) > 0
    assert off(audited(good, cut.root, specs)) == []


def test_a_window_from_before_the_first_score_may_be_recomputed(
    good: Good, copied: Path, specs: Specs
) -> None:
    lake, first = Lake(copied, specs), f"window_date = '{START.date()}'"
    DeltaTable(lake.folder(SCORES)).delete(first)
    DeltaTable(lake.folder(SILVER)).update({"committed_at": "now()"}, predicate=first)
    assert audited(good, copied, specs)[HORIZONS].is_ok

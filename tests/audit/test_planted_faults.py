"""The checker is checked: a good lake passes, and each fault planted in a copy is caught.

Each fault must set off the very check that is meant for it, not just any.
"""

import shutil
from pathlib import Path

import pytest

from lakehouse.audit import Check, proof
from lakehouse.tables import Lake
from specs.loader import Specs, load_specs
from tests.audit.faults import FAULTS, GONE, KAFKA_FAULTS, OWED, deleted
from tests.audit.good_lake import BRONZE, MODEL, Good, good_lake
from tests.audit.planting import drop


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
    assert [name for name, check in checks.items() if not check.expected] == [GONE]


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

"""A store that breaks off in the middle of its answers is asked again: nobody ends of it."""

from collections.abc import Callable, Iterator

import pytest

from lakehouse.bucket_grants import LAKE
from lakehouse.commit import Note, Step
from lakehouse.location import parquet, place
from lakehouse.tables import Lake
from specs.loader import Specs
from tests.rows import metric, reading, table
from tests.s3.cutting import CuttingDoor, cutting_door
from tests.s3.store import Store

pytestmark = pytest.mark.stack

BRONZE, SILVER = "bronze.traffic_event", "silver.segment_metric"
NOTE = Note(job="test", spec_version="v")
CUTS = 2
HELD = 3
"""Commits of one row in each table at first."""


@pytest.fixture
def door(s3: Store) -> Iterator[CuttingDoor]:
    with cutting_door(s3.port) as made:
        yield made


@pytest.fixture
def bucket(
    door: CuttingDoor, specs: Specs, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Lake:
    """Tables that are reached through the door; another has written to them since."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", door.url)
    root = place(f"s3://{LAKE}/{request.node.callspec.params['name'].replace(' ', '-')}")
    mine = Lake(root, specs)
    for name in (BRONZE, SILVER):
        mine.table(name)
    other = Lake(root, specs)
    for number in range(HELD):
        step = Step("w", number - 1 if number else None, number)
        other.table(BRONZE).append(table(other, BRONZE, [reading(number, 0)]), NOTE, [step])
        other.table(SILVER).merge(table(other, SILVER, [metric("s:a", number)]), NOTE)
    return mine


def _append(lake: Lake) -> int:
    step = Step("w", HELD - 1, HELD)
    return lake.table(BRONZE).append(table(lake, BRONZE, [reading(9, 0)]), NOTE, [step]).version


def _merge(lake: Lake) -> int:
    return lake.table(SILVER).merge(table(lake, SILVER, [metric("s:a", 9)]), NOTE).version


def _read_a_file(lake: Lake) -> int:
    return parquet(place(lake.table(BRONZE).files()[0])).to_table().num_rows


Ask = Callable[[Lake], object]
BEHIND: dict[str, tuple[Ask, object]] = {
    "open": (lambda lake: Lake(lake.root, lake.specs).table(BRONZE).version, HELD),
    "refresh": (lambda lake: lake.table(BRONZE).refresh(), HELD),
    "progress": (lambda lake: Lake(lake.root, lake.specs).table(BRONZE).progress("w"), HELD - 1),
    "merge": (_merge, HELD + 1),
}
UP_TO_DATE: dict[str, tuple[Ask, object]] = {
    "read": (lambda lake: lake.table(BRONZE).read().num_rows, HELD),
    "read earlier": (lambda lake: lake.table(BRONZE).at(1).to_table().num_rows, 1),
    "read a file": (_read_a_file, 1),
    "commits": (lambda lake: len(lake.table(BRONZE).commits(after=-1)), HELD + 1),
    "append": (_append, HELD + 1),
}


@pytest.mark.parametrize("name", [*BEHIND, *UP_TO_DATE])
def test_it_is_asked_again(name: str, bucket: Lake, door: CuttingDoor) -> None:
    ask, wanted = (BEHIND | UP_TO_DATE)[name]
    if name in UP_TO_DATE:
        bucket.table(BRONZE).refresh()
    door.to_cut = CUTS
    assert ask(bucket) == wanted
    assert door.to_cut == 0

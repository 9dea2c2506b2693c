"""Which readings of a micro-batch count, and how event time stands after it."""

from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse.jobs.batch_note import EPOCH, BatchNote, keep
from lakehouse.jobs.bronze_panes import BRONZE
from lakehouse.jobs.deliveries import Deliveries
from lakehouse.tables import Lake
from specs.loader import load_specs
from tests.rows import after, reading, table
from tests.spark.pipeline import NOTE
from tests.unit.lakehouse.test_checkpoint import plan

WATER = timedelta(seconds=load_specs().transforms.watermark_seconds)


class Bronze:
    """A lake whose bronze gets one file a commit, and a checkpoint that plans batches of them."""

    def __init__(self, folder: Path) -> None:
        self.lake, self.checkpoint, self._offset = Lake(folder / "lake", load_specs()), folder, 0
        self.lake.table(BRONZE)

    def land(self, *events: tuple[int, float]) -> None:
        """Events of these numbers and seconds, in one file."""
        rows = []
        for number, second in events:
            rows.append(reading(number, second, offset=self._offset))
            self._offset += 1
        self.lake.table(BRONZE).append(table(self.lake, BRONZE, rows), NOTE)

    def deliveries(self, finished: int | None = None) -> Deliveries:
        return Deliveries(Lake(self.lake.root, self.lake.specs), self.checkpoint, finished)


@pytest.fixture
def bronze(tmp_path: Path) -> Bronze:
    return Bronze(tmp_path)


def test_what_is_delivered_again_is_told_by_its_offset(bronze: Bronze) -> None:
    bronze.land((1, 0), (2, 1))
    bronze.land((2, 1), (3, 2))
    plan(bronze.checkpoint, 0, version=2)
    plan(bronze.checkpoint, 1, version=3)
    deliveries = bronze.deliveries()
    first, second = deliveries.take(0), deliveries.take(1)
    assert (first.readings, first.but) == (2, {})
    assert (second.readings, second.but) == (1, {0: [2]})
    assert second.note.verdicts == {"duplicate": 1}


def test_a_reading_as_old_as_the_watermark_is_late_from_the_next_batch_on(bronze: Bronze) -> None:
    bronze.land((1, 1500), (2, 0))
    bronze.land((3, 900), (4, 900.000_001))
    plan(bronze.checkpoint, 0, version=2)
    plan(bronze.checkpoint, 1, version=3)
    deliveries = bronze.deliveries()
    first, second = deliveries.take(0), deliveries.take(1)
    assert (first.readings, first.after, first.note.late) == (2, EPOCH, 0)
    assert first.note.watermark == after(1500) - WATER == after(900)
    assert (second.readings, second.after, second.note.late) == (1, after(900), 1)
    assert second.note.watermark == after(900)  # it never moves back


def test_a_batch_ends_inside_a_commit_and_the_next_goes_on_there(bronze: Bronze) -> None:
    bronze.land((1, 0))
    bronze.land((1, 0), (2, 86_400))  # a file a day
    plan(bronze.checkpoint, 0, version=2, index=0)
    plan(bronze.checkpoint, 1, version=3)
    deliveries = bronze.deliveries()
    counted = [deliveries.take(batch) for batch in (0, 1)]
    assert sum(one.readings for one in counted) == 2
    assert sum(sum(one.note.verdicts.values()) for one in counted) == 1
    keep(bronze.checkpoint, 0, counted[0].note)
    assert bronze.deliveries(0).take(1).readings == counted[1].readings


def test_a_driver_that_starts_remembers_what_is_younger_than_the_watermark(bronze: Bronze) -> None:
    bronze.land((1, 1500), (2, 900), (3, 901))
    bronze.land((1, 1500), (2, 900), (3, 901), (4, 1000))
    plan(bronze.checkpoint, 0, version=2, watermark=after(900))
    plan(bronze.checkpoint, 1, version=3)
    found = bronze.deliveries(0).take(1)
    assert found.but == {0: [3, 5]}
    assert found.note == BatchNote(after(900), duplicate=2, late=1)


def test_a_batch_without_a_reading_leaves_event_time_where_it_was(bronze: Bronze) -> None:
    bronze.land((1, 1500))
    plan(bronze.checkpoint, 0, version=2)
    plan(bronze.checkpoint, 1, version=2)
    deliveries = bronze.deliveries()
    water = deliveries.take(0).note.watermark
    counted = deliveries.take(1)
    assert (counted.readings, counted.newest, counted.note) == (0, None, BatchNote(water))

from typing import Any

from benchmarks.lag import BRONZE, GOLD, Behind, LagWatch, behind, landed, unscored
from lakehouse.commit import Note
from lakehouse.jobs.maintenance import MAINTAIN
from lakehouse.tables import Lake
from tests.rows import after, reading, table


def test_lag_that_swings_around_a_level_is_flat() -> None:
    samples = [3000, 1000, 3000, 1000, 3000, 1000]
    assert behind(samples, 2000.0) == Behind(first=3000, last=1000, highest=3000, is_flat=True)


def test_lag_that_grows_by_more_than_a_second_of_readings_is_not_flat() -> None:
    assert behind([0, 700, 1400, 2100], 2000.0).is_flat is False
    assert behind([0, 600, 1200, 1800], 2000.0).is_flat is True


def test_a_backlog_that_shrinks_is_flat() -> None:
    assert behind([9000, 5000, 1000], 2000.0).is_flat is True


def test_one_sample_is_flat() -> None:
    assert behind([400], 2000.0) == Behind(first=400, last=400, highest=400, is_flat=True)


def commit(table: str, version: int, second: float, **other: Any) -> dict[str, Any]:
    return {
        "table_name": table, "job": "stream", "table_version": version,
        "committed_at": after(second), "rows_written": 0, "source_version_last": None,
    } | other  # fmt: skip


LEDGER = [
    commit(BRONZE, 1, 1.0, job="land", rows_written=100),
    commit(BRONZE, 2, 2.0, job="land", rows_written=10),
    commit(BRONZE, 3, 3.0, job="land", rows_written=1),
    commit(GOLD, 1, 2.5, source_version_last=1),
    commit(GOLD, 2, 4.0, source_version_last=3),
    commit(GOLD, 3, 5.0),
]


def test_what_gold_lacks_is_worked_out_from_the_times_of_the_commits() -> None:
    # nothing yet; commits 1 and 2; of these 1 was scored; commit 3 came; all scored
    moments = [after(second) for second in (0.5, 2.0, 2.5, 3.5, 4.5, 6.0)]
    assert unscored(LEDGER, moments) == [0, 110, 10, 11, 0, 0]


def test_scores_of_a_recompute_are_not_the_streams() -> None:
    recomputed = commit(GOLD, 4, 1.5, job="recompute", source_version_last=2)
    assert unscored([*LEDGER, recomputed], [after(2.0)]) == [110]


def test_only_commits_of_bronze_past_the_warm_up_count_as_landed() -> None:
    assert (landed(LEDGER, -1), landed(LEDGER, 1), landed(LEDGER, 3)) == (111, 11, 0)


class NothingWaits:
    """A Kafka whose records are all landed."""

    def lag(self, group: str, topic: str) -> list[object]:
        return []


def test_all_is_in_gold_though_the_last_commit_of_bronze_is_upkeep(lake: Lake) -> None:
    watch = LagWatch(lake, NothingWaits(), "traffic_event")  # type: ignore[arg-type]
    bronze, gold = lake.table(BRONZE), lake.table(GOLD)
    assert not watch.is_all_in_gold, "nothing has come yet"
    land = Note(job="land", spec_version="v")
    bronze.append(table(lake, BRONZE, [reading(0, 0)]), land)
    assert not watch.is_all_in_gold
    scored = Note(job="stream", spec_version="v", source_versions=(1, 1))
    gold.append(table(lake, GOLD, []), scored)
    assert watch.is_all_in_gold
    bronze.append(table(lake, BRONZE, []), Note(job=MAINTAIN, spec_version="v"))
    assert watch.is_all_in_gold
    bronze.append(table(lake, BRONZE, [reading(1, 0)]), land)
    assert not watch.is_all_in_gold

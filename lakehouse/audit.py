"""The balance: Kafka offsets against bronze and dead letters, accepted events against silver."""

from dataclasses import dataclass

from lakehouse.sql import select
from lakehouse.tables import Lake

BRONZE, DEAD_LETTER = "bronze.traffic_event", "bronze.dead_letter"
SILVER = "silver.segment_metric"


@dataclass(frozen=True)
class Check:
    """One equation of the balance."""

    name: str
    expected: int
    found: int

    @property
    def is_ok(self) -> bool:
        """Both sides are equal."""
        return self.expected == self.found


def _one(query: str, lake: Lake, **tables: str) -> int:
    datasets = {}
    for alias, name in tables.items():
        table = lake.table(name)
        table.refresh()
        datasets[alias] = table.dataset()
    return int(select(query, **datasets).column(0)[0].as_py() or 0)


def landing_balance(lake: Lake, offsets: dict[int, tuple[int, int]]) -> list[Check]:
    """Derive from Kafka's offsets and the Delta files alone what landing owes.

    Args:
        lake: the tables.
        offsets: partition of topic traffic_event to its first offset and the one after its last.
    """
    place = 'partition, "offset"'
    both = f"(SELECT {place} FROM bronze UNION ALL SELECT {place} FROM dead)"
    inside = " OR ".join(
        f'(partition = {partition} AND "offset" >= {begin} AND "offset" < {end})'
        for partition, (begin, end) in offsets.items()
    ) or "false"  # fmt: skip
    held = sum(end - begin for begin, end in offsets.values())
    tables = {"bronze": BRONZE, "dead": DEAD_LETTER}
    distinct = f"(SELECT DISTINCT * FROM {both})"
    return [
        Check("Kafka offsets in bronze or dead letters", held, _one(
            f"SELECT count(*) FROM {distinct} WHERE {inside}", lake, **tables)),
        Check("rows of bronze and dead letters with an offset of their own", _one(
            f"SELECT count(*) FROM {both}", lake, **tables), _one(
            f"SELECT count(*) FROM {distinct}", lake, **tables)),
    ]  # fmt: skip


def balance(lake: Lake, offsets: dict[int, tuple[int, int]]) -> list[Check]:
    """`landing_balance`, and that each accepted event counts once in silver."""
    primary = lake.specs.transforms.primary.size_seconds
    return [
        *landing_balance(lake, offsets),
        Check("accepted events counted in silver", _one(
            "SELECT count(DISTINCT event_id) FROM bronze", lake, bronze=BRONZE), _one(
            f"SELECT sum(event_count) FROM silver WHERE window_seconds = {primary}",
            lake, silver=SILVER)),
    ]  # fmt: skip

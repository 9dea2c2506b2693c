"""The balance: Kafka offsets against bronze and dead letters, accepted events against silver."""

from lakehouse.audit.check import Check
from lakehouse.audit.evidence import Evidence
from lakehouse.audit.retention import KEPT, without_days
from lakehouse.tables import Lake

Offsets = dict[int, tuple[int, int]]
"""Partition of topic traffic_event to its first offset and the one after its last."""

PLACES = """
    SELECT partition, "offset" FROM bronze
    UNION ALL SELECT partition, "offset" FROM dead WHERE resolved_at IS NULL
"""
"""Where each Kafka record is; one that a replay has resolved is in bronze and no longer dead."""


def kept_by_kafka(offsets: Offsets) -> str:
    """Query of the offsets that Kafka holds."""
    ranges = [
        f'SELECT {partition}::INTEGER AS partition, unnest(range({begin}, {end})) AS "offset"'
        for partition, (begin, end) in offsets.items()
    ]
    return " UNION ALL ".join(['SELECT 0 AS partition, 0::BIGINT AS "offset" WHERE false', *ranges])


def _landing(evidence: Evidence, offsets: Offsets) -> list[Check]:
    evidence.keep("place", PLACES)
    evidence.keep("owed", kept_by_kafka(offsets))
    text = "'partition ' || partition || ' offset ' || \"offset\""
    return [
        evidence.faultless(
            "Kafka offsets in bronze or dead letters",
            evidence.one(f"SELECT count(*) FROM owed {KEPT}"),
            f'SELECT {text} FROM owed ANTI JOIN place USING (partition, "offset") {KEPT}',
        ),
        evidence.faultless(
            "rows of bronze and unresolved dead letters with an offset of their own",
            evidence.one("SELECT count(*) FROM place"),
            f"""SELECT unnest(repeat([{text}], (count(*) - 1)::BIGINT)) FROM place
                GROUP BY partition, "offset" HAVING count(*) > 1""",
        ),
    ]


def _events(evidence: Evidence) -> Check:
    primary = evidence.specs.transforms.primary.size_seconds
    landed, counted = (
        without_days(column, "bronze", "silver") for column in ("event_date", "window_date")
    )
    return Check(
        "accepted events counted in silver",
        evidence.one(f"SELECT count(DISTINCT event_id) FROM bronze WHERE {landed}"),
        evidence.one(f"""SELECT sum(event_count) FROM silver
                         WHERE window_seconds = {primary} AND {counted}"""),
    )


def landing_balance(lake: Lake, offsets: Offsets) -> list[Check]:
    """Derive from Kafka's offsets and the Delta files alone what landing owes."""
    with Evidence(lake, ["bronze", "dead"]) as evidence:
        return _landing(evidence, offsets)


def balance(lake: Lake, offsets: Offsets) -> list[Check]:
    """`landing_balance`, and that each accepted event counts once in silver."""
    with Evidence(lake, ["bronze", "dead", "silver"]) as evidence:
        return balance_checks(evidence, offsets)


def balance_checks(evidence: Evidence, offsets: Offsets) -> list[Check]:
    """The checks of `balance`."""
    return [*_landing(evidence, offsets), _events(evidence)]

"""Silver against its own recomputation from bronze, in DuckDB and a day at a time."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from lakehouse.audit.check import Check
from lakehouse.audit.evidence import EXAMPLES, Evidence
from lakehouse.audit.retention import without_days
from lakehouse.audit.silver_query import expected_metric
from specs.loader import Specs

RELATIVE_TOLERANCE = 1e-9
UNCOMPARED = {"is_final", "revision", "committed_at", "kafka_timestamp_max"}
"""These say when, or how often; the first and the last have bounds of their own."""


@dataclass
class Compared:
    """What the days so far gave.

    Attributes:
        windows: that bronze, silver or both have.
        missing: that only bronze has.
        surplus: that only silver has.
        differing: column to the windows where it is not as recomputed.
        wrong: windows at fault for any of these.
        examples: the first of them.
    """

    windows: int = 0
    missing: int = 0
    surplus: int = 0
    differing: dict[str, int] = field(default_factory=dict)
    wrong: int = 0
    examples: list[str] = field(default_factory=list)


def _differs(name: str, kind: str) -> str:
    ours, theirs = f"silver_day.{name}", f"expected.{name}"
    if kind != "double":
        return f"{ours} IS DISTINCT FROM {theirs}"
    bound = f"{RELATIVE_TOLERANCE} * greatest(abs({ours}), abs({theirs}), 1)"
    return (
        f"(({ours} IS NULL) != ({theirs} IS NULL) OR NOT coalesce(abs({ours} - {theirs})"
        f" <= {bound}, true))"
    )


def _differences(specs: Specs) -> dict[str, str]:
    table = specs.tables["silver.segment_metric"]
    found = {
        column.name: _differs(column.name, column.type)
        for column in table.columns
        if column.name not in {*table.key, *UNCOMPARED}
    }
    stamp = "silver_day.kafka_timestamp_max"
    found["kafka_timestamp_max"] = f"{stamp} NOT BETWEEN expected.kafka_low AND expected.kafka_high"
    return found


def silver_checks(evidence: Evidence) -> list[Check]:
    """Every window of silver as bronze gives it, none missing, none made up, finality in bounds.

    Of the days whose readings retention has left in bronze.
    """
    compared = Compared()
    repeats = "SELECT event_id FROM bronze GROUP BY event_id HAVING count(*) > 1"
    evidence.keep("repeated", repeats)
    for (day,) in evidence.rows(f"""
        SELECT day FROM (
            SELECT window_date AS day FROM silver UNION SELECT event_date FROM bronze
            UNION SELECT (event_date - 1)::DATE FROM bronze
        ) WHERE {without_days("day", "bronze", "silver")} ORDER BY day
    """):
        _compare(evidence, day, compared)
    columns = [f"{name}: {count:,} windows" for name, count in compared.differing.items()]
    total = compared.windows
    return [
        Check("windows of bronze's events that silver has", total - compared.surplus,
              total - compared.surplus - compared.missing),
        Check("windows of silver that bronze has events for", total - compared.missing,
              total - compared.missing - compared.surplus),
        Check("windows of silver as recomputed from bronze, column for column", total,
              total - compared.wrong, (*columns, *compared.examples[:EXAMPLES])),
        _keys_check(evidence),
        _finality_check(evidence),
    ]  # fmt: skip


def _compare(evidence: Evidence, day: date, compared: Compared) -> None:
    specs = evidence.specs
    midnight = day + timedelta(days=1)  # a window that ends past it needs the next day's readings
    next_is_there = without_days(f"DATE '{midnight}'", "bronze")
    whole = f"(window_end <= TIMESTAMPTZ '{midnight} 00:00:00+00' OR {next_is_there})"
    evidence.keep("expected", f"SELECT * FROM ({expected_metric(specs, day)}) WHERE {whole}")
    evidence.keep(
        "silver_day", f"SELECT * FROM silver WHERE window_date = DATE '{day}' AND {whole}"
    )
    key = ", ".join(specs.tables["silver.segment_metric"].key)
    both = "expected.event_count IS NOT NULL AND silver_day.event_count IS NOT NULL"
    differences = _differences(specs)
    flags = ", ".join(f"{both} AND {sql} AS off_{name}" for name, sql in differences.items())
    evidence.keep("against", f"""
        SELECT {key}, silver_day.event_count IS NULL AS is_missing,
            expected.event_count IS NULL AS is_surplus, {flags}
        FROM expected FULL JOIN silver_day USING ({key})
    """)  # fmt: skip
    counts = ", ".join(f"count_if(off_{name})" for name in differences)
    windows, missing, surplus, *off = (count or 0 for count in evidence.rows(
        f"SELECT count(*), count_if(is_missing), count_if(is_surplus), {counts} FROM against"
    )[0])  # fmt: skip
    compared.windows += windows
    compared.missing += missing
    compared.surplus += surplus
    for name, count in zip(differences, off, strict=True):
        if count:
            compared.differing[name] = compared.differing.get(name, 0) + count
    if not (missing or surplus or any(off)):
        return
    any_off = " OR ".join(["is_missing", "is_surplus", *(f"off_{name}" for name in differences)])
    faults = evidence.rows(
        "SELECT segment_id || ' ' || window_seconds || ' s from ' || window_start"
        f" FROM against WHERE {any_off} ORDER BY ALL"
    )
    compared.wrong += len(faults)
    compared.examples += [text for (text,) in faults[:EXAMPLES]]


def _keys_check(evidence: Evidence) -> Check:
    table = evidence.specs.tables["silver.segment_metric"]
    key = ", ".join(table.key)
    return evidence.faultless(
        "windows of silver that stand there once, with a date and an end of their own start",
        evidence.one("SELECT count(*) FROM silver"),
        f"""SELECT concat_ws(' ', {key}) FROM silver GROUP BY {key} HAVING count(*) > 1
            UNION ALL SELECT concat_ws(' ', {key}) FROM silver
            WHERE window_date != window_start::DATE OR revision < 0
                OR window_end != window_start + to_seconds(window_seconds)""",
    )


def _finality_check(evidence: Evidence) -> Check:
    """A window is final only once the watermark has passed its end, and then with all before it.

    How far the watermark has come is what the newest window shows that was final at once: a stream
    that was stopped has not closed all that its last readings would let it close.
    """
    spec = evidence.specs.transforms
    newest = f"(SELECT max(event_time) - to_seconds({spec.watermark_seconds}) FROM bronze)"
    closed = f"""(SELECT max(window_end) FROM silver WHERE is_final AND revision = 0
        AND window_seconds = {spec.primary.size_seconds})"""
    return evidence.faultless(
        "windows of silver that are final just where the watermark has passed",
        evidence.one("SELECT count(*) FROM silver"),
        f"""SELECT concat_ws(' ', segment_id, window_seconds, window_start) FROM silver
            WHERE is_final AND window_end > {newest} AND {without_days("window_date", "bronze")}
                OR NOT is_final AND window_end <= {closed}""",
    )

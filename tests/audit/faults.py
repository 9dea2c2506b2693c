"""Faults to plant in a good lake, and the check that each must set off."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from lakehouse.tables import Lake
from tests.audit.good_lake import BRONZE, DEAD, KPI, SCORES, SILVER, Good
from tests.audit.planting import (
    double,
    double_file,
    drop,
    edit_log,
    edit_notes,
    forget_note,
    lose_file,
    settle,
    spoil,
)

LEDGER, RESULTS = "ops.ledger", "ops.validation_result"
Plant = Callable[[Lake], None]

OWED = "Kafka offsets in bronze or dead letters"
OWN_PLACE = "rows of bronze and unresolved dead letters with an offset of their own"
GIVEN = "rows of bronze and dead letters with an offset that Kafka has given"
PROGRESS = "partitions whose progress in bronze is their last row or dead letter"
BYTES = "Kafka's records and their rows and dead letters, byte for byte"
SAYS = "rows of bronze whose columns are what their raw value says"
FILES = "data files that the Delta logs name"
REASONS = "dead letters with a rule, a reason and all or nothing of a resolution"
RESOLVED = "resolved dead letters that are in bronze byte for byte"
EVENTS = "accepted events counted in silver"
COLUMNS = "windows of silver as recomputed from bronze, column for column"
HAS = "windows of bronze's events that silver has"
MADE_UP = "windows of silver that bronze has events for"
ONCE = "windows of silver that stand there once, with a date and an end of their own start"
FINAL = "windows of silver that are final just where the watermark has passed"
MODELS = "scores of a model version that the registry holds"
SCORE_ONCE = "scores that stand there once, with a date and a target of their own window"
SCORED_WINDOW = "scores of a window that silver has, of its own source"
BOUNDS = "scores within the bounds of a probability and a speed"
HORIZONS = "windows with a score at every horizon"
STALE = "scores that stand on the window as silver has it"
KPI_ONCE, KPI_VALUES = (
    "network KPIs that stand there once",
    "network KPIs as recomputed from silver",
)
TOLD = "commits that the ledger tells as the Delta log does"
LANDED = "rows that bronze.traffic_event's commits say are landed"
DEAD_LETTERED = "rows that bronze.dead_letter's commits say are dead lettered"
VERDICTS = "commits whose verdicts are the rows they wrote"
BATCHES = "batches whose offsets follow those of the batch before"
GATES = "commits whose rows had passed their gate"
AGREE = "gate results that stand there once and agree with themselves"

OK, DEAD_NOW = "status = 'ok'", "resolved_at IS NULL"
LAST = "raw_value IS NOT NULL AND resolved_at IS NULL"
RICH = "observation_count >= 3 AND window_seconds = 900 AND vehicle_count > 0"
NEXT = "{} + INTERVAL 1 SECOND"


def _note(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda note: note.update(changes)


def _gate(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda note: note["gate"].update(changes)


def _skip(note: dict[str, Any]) -> None:
    """The batch says that it began one offset later."""
    for partition, text in note["offsets"].items():
        first, last = text.split("-")
        note["offsets"][partition] = f"{int(first) + 1}-{last}"


def _progress(step: int) -> Plant:
    def moved(action: dict[str, Any]) -> dict[str, Any]:
        if action.get("txn", {}).get("appId") == "land/traffic_event/0":
            action["txn"]["version"] += step
        return action

    return lambda lake: edit_log(lake, BRONZE, moved)


def _without_txn(action: dict[str, Any]) -> dict[str, Any] | None:
    return None if "txn" in action else action


BRONZE_FAULTS: dict[str, tuple[Plant, str]] = {
    "a reading is gone": (partial(drop, name=BRONZE), OWED),
    "a reading is there twice": (partial(double, name=BRONZE), OWN_PLACE),
    "a file of readings is there twice": (partial(double_file, name=BRONZE), OWN_PLACE),
    "a file of readings is gone": (partial(lose_file, name=BRONZE), FILES),
    "an offset is another's": (
        lambda lake: spoil(lake, BRONZE, "offset", '"offset" + 1', "partition = 1"), OWN_PLACE),
    "an offset was never given": (lambda lake: spoil(lake, BRONZE, "offset", "99999"), GIVEN),
    "a partition does not exist": (lambda lake: spoil(lake, BRONZE, "partition", "7"), GIVEN),
    "a speed is another": (
        lambda lake: spoil(lake, BRONZE, "speed_kmh", "speed_kmh + 1", OK), SAYS),
    "a speed is lost": (lambda lake: spoil(lake, BRONZE, "speed_kmh", "NULL", OK), SAYS),
    "a time is another": (
        lambda lake: spoil(lake, BRONZE, "event_time", NEXT.format("event_time")), SAYS),
    "an id is another": (lambda lake: spoil(lake, BRONZE, "event_id", "'x'"), SAYS),
    "a road is another": (
        lambda lake: spoil(lake, BRONZE, "segment_id", "'simulator:b'",
                           "segment_id = 'simulator:a'"), SAYS),
    "a status is another": (
        lambda lake: spoil(lake, BRONZE, "status", "'carried_forward'", OK), SAYS),
    "a count of vehicles is lost": (
        lambda lake: spoil(lake, BRONZE, "vehicle_count", "NULL", "vehicle_count > 0"), SAYS),
    "a schema version is unknown": (
        lambda lake: spoil(lake, BRONZE, "schema_version", "9"), SAYS),
    "a source is another": (lambda lake: spoil(lake, BRONZE, "source", "'nyc_dot'"), SAYS),
    "raw bytes are others": (
        lambda lake: spoil(lake, BRONZE, "raw_value", "encode('{}')"), BYTES),
    "raw bytes and their column are others": (
        lambda lake: spoil(
            lake, BRONZE, "raw_value",
            "encode(replace(decode(raw_value), '\"status\": \"ok\"', '\"status\":\"ok\"'))", OK),
        BYTES),
    "Kafka's time is another": (
        lambda lake: spoil(lake, BRONZE, "kafka_timestamp", NEXT.format("kafka_timestamp")),
        BYTES),
    "progress is ahead": (_progress(1), PROGRESS),
    "progress is behind": (_progress(-1), PROGRESS),
    "progress is lost": (lambda lake: edit_log(lake, BRONZE, _without_txn), PROGRESS),
}  # fmt: skip

DEAD_FAULTS: dict[str, tuple[Plant, str]] = {
    "a dead letter is gone": (partial(drop, name=DEAD, where=DEAD_NOW), OWED),
    "a dead letter is there twice": (partial(double, name=DEAD, where=DEAD_NOW), OWN_PLACE),
    "a dead letter's value is another": (
        lambda lake: spoil(lake, DEAD, "raw_value", "encode('x')", LAST), BYTES),
    "a dead letter's tombstone is an empty value": (
        lambda lake: spoil(lake, DEAD, "raw_value", "encode('')", "raw_value IS NULL"), BYTES),
    "a dead letter's key is another": (
        lambda lake: spoil(lake, DEAD, "raw_key", "encode('x')", LAST), BYTES),
    "a dead letter failed no rule": (lambda lake: spoil(lake, DEAD, "rule_ids", "[]"), REASONS),
    "a dead letter has no reason": (lambda lake: spoil(lake, DEAD, "reason", "''"), REASONS),
    "a resolution is half there": (
        lambda lake: spoil(lake, DEAD, "resolution", "NULL", "resolution IS NOT NULL"), REASONS),
    "a resolution is older than its failure": (
        lambda lake: spoil(lake, DEAD, "resolved_at", "failed_at - INTERVAL 1 HOUR",
                           "resolved_at IS NOT NULL"), REASONS),
    "a dead letter is resolved and lands nowhere": (
        lambda lake: spoil(lake, DEAD, "resolved_at", "now()", DEAD_NOW), OWED),
    "a resolved record is gone from bronze": (
        partial(drop, name=BRONZE, where="segment_id = 'simulator:c'"), RESOLVED),
    "a resolved dead letter's value is another": (
        lambda lake: spoil(lake, DEAD, "raw_value", "encode('x')", "resolved_at IS NOT NULL"),
        RESOLVED),
    "a replayed dead letter is not marked": (
        lambda lake: spoil(lake, DEAD, "resolved_at", "NULL", "resolved_at IS NOT NULL"),
        OWN_PLACE),
}  # fmt: skip

SILVER_VALUES = {
    "event_count": "event_count + 1", "observation_count": "observation_count - 1",
    "vehicle_count": "NULL", "speed_kmh_mean": "speed_kmh_mean * 1.0001",
    "speed_kmh_harmonic": "speed_kmh_mean", "speed_kmh_min": "speed_kmh_min - 0.001",
    "speed_kmh_max": "speed_kmh_max + 0.001", "speed_kmh_stddev": "speed_kmh_stddev + 0.001",
    "speed_kmh_p15": "speed_kmh_p15 + 0.001", "speed_kmh_p50": "speed_kmh_mean",
    "speed_kmh_p85": "speed_kmh_max", "occupancy_ratio_mean": "occupancy_ratio_mean * 100",
    "travel_time_s_mean": "travel_time_s_mean / 60", "travel_time_index": "NULL",
    "delay_s": "delay_s + 1", "vehicle_delay_h": "vehicle_delay_h * 3600",
    "congestion_level": "'unknown'", "is_congested": "NOT is_congested",
    "completeness_ratio": "1.0", "detector_health": "['too_high']",
    "anomalies": "['standstill']", "source": "'nyc_dot'",
    "local_date": "local_date + 1", "local_hour": "local_hour + 1",
    "kafka_timestamp_max": NEXT.format("kafka_timestamp_max"),
}  # fmt: skip
SILVER_FAULTS: dict[str, tuple[Plant, str]] = {
    **{
        f"{column} of a window is wrong": (
            partial(spoil, name=SILVER, column=column, value=value, where=RICH), COLUMNS)
        for column, value in SILVER_VALUES.items()
    },
    "a window counts an event twice": (
        partial(spoil, name=SILVER, column="event_count", value="event_count + 1",
                where="window_seconds = 300"), EVENTS),
    "a window is gone": (partial(drop, name=SILVER), HAS),
    "a window is there twice": (partial(double, name=SILVER), ONCE),
    "a file of windows is there twice": (partial(double_file, name=SILVER), ONCE),
    "a file of windows is gone": (partial(lose_file, name=SILVER), FILES),
    "a window is made up": (
        partial(spoil, name=SILVER, column="window_start",
                value="window_start - INTERVAL 5 HOUR"), MADE_UP),
    "a window's end is another": (
        partial(spoil, name=SILVER, column="window_end", value=NEXT.format("window_end")), ONCE),
    "a window is final too early": (
        partial(settle, name=SILVER, column="is_final", was=False, now=True), FINAL),
    "a window never became final": (
        partial(settle, name=SILVER, column="is_final", was=True, now=False), FINAL),
    "a revision is below 0": (partial(spoil, name=SILVER, column="revision", value="-1"), ONCE),
}  # fmt: skip


def _score(column: str, value: str, check: str, where: str = "true") -> tuple[Plant, str]:
    return partial(spoil, name=SCORES, column=column, value=value, where=where), check


GOLD_FAULTS: dict[str, tuple[Plant, str]] = {
    "a score is gone": (partial(drop, name=SCORES), HORIZONS),
    "a score is there twice": (partial(double, name=SCORES), SCORE_ONCE),
    "a file of scores is there twice": (partial(double_file, name=SCORES), SCORE_ONCE),
    "a model version was never registered": _score("model_version", "99", MODELS),
    "a model was never registered": _score("model_name", "'guess'", MODELS),
    "a probability is above 1": _score("congestion_probability", "1.5", BOUNDS),
    "a probability is no number": _score("congestion_probability", "'nan'::DOUBLE", BOUNDS),
    "a predicted speed is below 0": _score("speed_kmh_predicted", "-1.0", BOUNDS),
    "a target is another": _score("target_start", NEXT.format("target_start"), SCORE_ONCE),
    "a horizon is none of ours": _score("horizon_minutes", "20", SCORE_ONCE),
    "a score has no window": _score("window_start", NEXT.format("window_start"), SCORED_WINDOW),
    "a score's source is another": _score("source", "'nyc_dot'", SCORED_WINDOW),
    "a score has not seen its window's newest reading": _score(
        "kafka_timestamp_max", "kafka_timestamp_max - INTERVAL 1 SECOND", STALE),
    "a score has seen a reading that its window has not": _score(
        "kafka_timestamp_max", NEXT.format("kafka_timestamp_max"), STALE),
    "a score is final before its window": (
        partial(settle, name=SCORES, column="is_final", was=False, now=True), STALE),
    "a score is older than its window": _score(
        "scored_at", "scored_at - INTERVAL 1 HOUR", STALE),
    "a KPI is gone": (partial(drop, name=KPI), KPI_VALUES),
    "a KPI is there twice": (partial(double, name=KPI), KPI_ONCE),
    **{
        f"{column} of a network is wrong": (
            partial(spoil, name=KPI, column=column, value=value,
                    where="segment_count > 1 AND congested_ratio > 0"), KPI_VALUES)
        for column, value in {
            "segment_count": "segment_count + 1", "congested_ratio": "congested_ratio / 2",
            "travel_time_index_mean": "1.0", "delay_s_total": "delay_s_total + 1",
            "vehicle_delay_h_total": "NULL", "is_final": "NOT is_final",
        }.items()
    },
}  # fmt: skip

BOOK_FAULTS: dict[str, tuple[Plant, str]] = {
    "a commit is not in the ledger": (partial(drop, name=LEDGER), TOLD),
    "a commit is in the ledger twice": (partial(double, name=LEDGER), TOLD),
    "the ledger counts another row": (
        partial(spoil, name=LEDGER, column="rows_written", value="rows_written + 1"), TOLD),
    "the ledger tells another verdict": (
        partial(spoil, name=LEDGER, column="verdicts", value="map {'landed': 1}"), TOLD),
    "the ledger tells other offsets": (
        partial(spoil, name=LEDGER, column="offsets", value="map {'0': '0-0'}"), TOLD),
    "the ledger tells other specs": (
        partial(spoil, name=LEDGER, column="spec_version", value="'x'"), TOLD),
    "the ledger tells another time": (
        partial(spoil, name=LEDGER, column="committed_at", value=NEXT.format("committed_at")),
        TOLD),
    "the ledger tells of a gate that was none": (
        partial(spoil, name=LEDGER, column="gate_run_id", value="'x'"), TOLD),
    "a batch skips an offset": (lambda lake: edit_notes(lake, BRONZE, _skip, "land"), BATCHES),
    "a batch takes more than it says": (
        lambda lake: edit_notes(lake, BRONZE, _note(verdicts={"landed": 1}), "land"), VERDICTS),
    "the landed rows are fewer than told": (
        lambda lake: edit_notes(lake, BRONZE, _note(verdicts={"landed": 999}), "replay"), LANDED),
    "the dead letters are fewer than told": (
        lambda lake: edit_notes(lake, DEAD, _note(verdicts={"dead_lettered": 999}), "land"),
        DEAD_LETTERED),
    "a commit passed no gate": (
        lambda lake: edit_notes(lake, SILVER, _note(gate=None), "recompute"), GATES),
    "a commit came before its gate": (
        lambda lake: edit_notes(lake, SILVER, _gate(checked_at="2999-01-01T00:00:00+00:00")),
        GATES),
    "a commit wrote rows that its gate had not seen": (
        lambda lake: edit_notes(lake, KPI, _gate(rows=1)), GATES),
    "a commit came through a gate that refused it": (
        lambda lake: edit_notes(lake, SCORES, _gate(run_id="bad-run")), GATES),
    "a commit came through another table's gate": (
        lambda lake: edit_notes(lake, KPI, _gate(run_id="good-run")), GATES),
    "a commit says nothing of itself": (partial(forget_note, name=KPI), GATES),
    "a refusal has no reason": (
        partial(spoil, name=RESULTS, column="failed_ids", value="[]", where="NOT is_success"),
        AGREE),
    "a refusal counts as passed": (
        partial(spoil, name=RESULTS, column="is_success", value="true", where="NOT is_success"),
        AGREE),
    "a gate result is there twice": (partial(double, name=RESULTS), AGREE),
    "a gate looked at more rows than there were": (
        partial(spoil, name=RESULTS, column="sample_count", value="row_count + 1"), AGREE),
}  # fmt: skip

FAULTS = {**BRONZE_FAULTS, **DEAD_FAULTS, **SILVER_FAULTS, **GOLD_FAULTS, **BOOK_FAULTS}


def _more(good: Good, count: int) -> Good:
    """Kafka goes on after what was landed."""
    begin, end = good.offsets[0]
    return replace(good, offsets={**good.offsets, 0: (begin, end + count)})


def _other(good: Good) -> Good:
    """Kafka holds another value at one offset."""
    values = good.records["value"].to_pylist()
    values[3] = b"another"
    place = good.records.schema.get_field_index("value")
    return replace(
        good, records=good.records.set_column(place, "value", pa.array(values, pa.binary()))
    )


def deleted(good: Good) -> Good:
    """Kafka has deleted the first ten records of a partition since."""
    _, end = good.offsets[0]
    records = good.records.to_pylist()
    kept = [r for r in records if r["partition"] != 0 or r["offset"] >= 10]
    return replace(good, offsets={**good.offsets, 0: (10, end)},
                   records=pa.Table.from_pylist(kept, schema=good.records.schema))  # fmt: skip


KAFKA_FAULTS: dict[str, tuple[Callable[[Good], Good], str]] = {
    "Kafka holds a record that was not landed": (lambda good: _more(good, 1), OWED),
    "Kafka was begun anew below what was landed": (lambda good: _more(good, -5), GIVEN),
    "Kafka has a partition that nobody reads": (
        lambda good: replace(good, offsets={**good.offsets, 2: (0, 3)}), OWED),
    "Kafka holds another value": (_other, BYTES),
    "a plain read skips an offset": (
        lambda good: replace(good, records=good.records.slice(1)),
        "offsets of Kafka that a plain read finds a record at"),
}  # fmt: skip
GONE = "landed offsets that Kafka has deleted since, without a gap"

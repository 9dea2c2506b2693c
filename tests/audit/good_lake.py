"""A small lake in which everything is right, made by the project's own code but without a JVM.

Two hours around midnight of three roads: on time, late, delivered again, malformed, and one record
whose road was registered only later, which a replay has landed.
"""

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.dead_letter_query import DeadLetterFilter
from ingestion.dead_letter_replay import DeadLetterReplay
from ingestion.judge import Judge
from lakehouse.commit import Note, Passed, Step
from lakehouse.ledger import project
from lakehouse.tables import Lake
from lakehouse.transforms.network_kpi import network_kpi
from lakehouse.transforms.segment_metric import segment_metric
from specs.loader import Specs
from tests.aggregates import Observation, aggregate, aggregates
from tests.kafka_record import KafkaRecord, event
from tests.rows import segment, table

BRONZE, DEAD, ROAD = "bronze.traffic_event", "bronze.dead_letter", "silver.road_segment"
SILVER, SCORES, KPI = "silver.segment_metric", "gold.congestion_scores", "gold.network_kpi"
START = datetime(2018, 3, 5, 23, tzinfo=UTC)
MODEL = ("congestion", 1)
PARTITIONS = {"simulator:a": 0, "simulator:b": 1, "simulator:c": 0}
MICROS = 1_000_000


@dataclass(frozen=True)
class Good:
    """The lake's folder, what Kafka holds, and when all of the first day's readings had landed."""

    root: Path
    offsets: dict[int, tuple[int, int]]
    records: pa.Table
    first_day_landed: datetime


def _passed(rows: pa.Table) -> Passed:
    return Passed(datetime.now(UTC).isoformat(), rows.num_rows)


def _readings() -> list[dict[str, Any]]:
    chance, made = random.Random(7), []
    for minute in range(120):
        for number, road in enumerate(PARTITIONS):
            at = START + timedelta(minutes=minute, seconds=7 * number)
            is_ok, counts = chance.random() > 0.1, road != "simulator:c"
            made.append(event(
                event_id=f"{road}:{minute}", segment_id=road,
                event_time=at.isoformat(timespec="milliseconds"),
                speed_kmh=round(chance.uniform(5, 110), 2) if is_ok else ...,
                vehicle_count=chance.randrange(9) if is_ok and counts else ...,
                occupancy_ratio=round(chance.random(), 3) if is_ok and counts else ...,
                travel_time_s=float(chance.randrange(20, 300)) if is_ok else ...,
                status="ok" if is_ok else "missing",
            ))  # fmt: skip
    late = made.pop(30)
    return [*made[:80], late, *made[80:]]


def _records() -> list[KafkaRecord]:
    """In sending order: readings, some of them again, and some that are none."""
    values: list[tuple[str, bytes | None]] = []
    for number, one in enumerate(_readings()):
        values.append((one["segment_id"], json.dumps(one).encode()))
        if number % 60 == 5:
            values.append(values[-1])
        if number % 90 == 7:
            values += [(one["segment_id"], b"no JSON"), (one["segment_id"], None)]
    next_offset, made = dict.fromkeys(PARTITIONS.values(), 0), []
    for number, (road, value) in enumerate(values):
        place = PARTITIONS[road]
        sent = round((START + timedelta(hours=2)).timestamp() * 1000) + number
        made.append(KafkaRecord(value, next_offset[place], road.encode(), place, sent))
        next_offset[place] += 1
    return made


def _land(lake: Lake, records: list[KafkaRecord]) -> None:
    judge, bronze, dead = Judge(lake.specs), lake.table(BRONZE), lake.table(DEAD)
    roads = lake.table(ROAD).read(columns=["segment_id", "source"]).combine_chunks()
    for start in range(0, len(records), 100):
        judged = judge.judge(records[start : start + 100], roads, datetime.now(UTC))
        offsets = {str(p): f"{first}-{last}" for p, (first, last) in judged.progress.items()}
        for target, rows, verdict in (
            (dead, judged.dead, "dead_lettered"), (bronze, judged.accepted, "landed"),
        ):  # fmt: skip
            target.refresh()
            writers = {p: f"land/traffic_event/{p}" for p in judged.progress}
            steps = [Step(writers[p], target.progress(writers[p]), last)
                     for p, (_, last) in judged.progress.items()]  # fmt: skip
            note = Note(
                "land", lake.specs.version, verdicts={verdict: rows.num_rows}, offsets=offsets,
                gate=_passed(rows) if target is bronze else None,
            )  # fmt: skip
            if rows.num_rows or target is bronze:
                target.append(rows, note, steps)


def _sums(lake: Lake) -> pa.Table:
    """What Spark's aggregation would give, in plain Python."""
    events: dict[str, dict[str, Any]] = {}
    lake.table(BRONZE).refresh()
    for row in lake.table(BRONZE).read().sort_by("kafka_timestamp").to_pylist():
        events.setdefault(row["event_id"], row)
    groups: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in events.values():
        micros = round(row["event_time"].timestamp() * MICROS)
        for window in lake.specs.transforms.windows:
            size, slide = window.size_seconds * MICROS, window.slide_seconds * MICROS
            first = micros - micros % slide
            for start in range(first, first - size, -slide):
                groups[row["segment_id"], window.size_seconds, start + size].append(row)
    made = []
    for (road, seconds, end), rows in groups.items():
        seen = [
            Observation(r["speed_kmh"], r["vehicle_count"], r["occupancy_ratio"],
                        r["travel_time_s"])
            for r in rows if r["status"] == "ok"
        ]  # fmt: skip
        newest = max(row["kafka_timestamp"] for row in rows)
        made.append(aggregate(
            seen, lake.specs.transforms.histogram, segment_id=road, window_seconds=seconds,
            window_end=datetime.fromtimestamp(end / MICROS, UTC),
            without_speed=len(rows) - len(seen),
        ) | {"kafka_timestamp_max": newest})  # fmt: skip
    return aggregates(made)


def _measure(lake: Lake) -> None:
    """Silver in two commits, the second a correction."""
    bronze, silver = lake.table(BRONZE), lake.table(SILVER)
    newest = pc.max(bronze.read(columns=["event_time"])["event_time"]).as_py()
    watermark = newest - timedelta(seconds=lake.specs.transforms.watermark_seconds)
    roads = lake.table(ROAD)
    roads.refresh()
    rows = segment_metric(
        _sums(lake), roads.read(), lake.specs, watermark=watermark, at=datetime.now(UTC)
    )
    is_first = pc.equal(rows["window_date"], pa.scalar(START.date()))
    first, second = rows.filter(is_first), rows.filter(pc.invert(is_first))
    silver.merge(
        first, Note("stream", lake.specs.version, 0, source_versions=(1, 2), gate=_passed(first))
    )
    note = Note("recompute", lake.specs.version, verdicts={"corrected": second.num_rows},
                gate=_passed(second))  # fmt: skip
    silver.merge(second, note)


def _score(lake: Lake) -> None:
    silver, spec = lake.table(SILVER), lake.specs.transforms
    silver.refresh()
    metrics = silver.read(where=pc.field("window_seconds") == spec.primary.size_seconds)
    kpis = network_kpi(metrics, lake.specs, at=datetime.now(UTC))
    lake.table(KPI).merge(kpis, Note("stream", lake.specs.version, 0, gate=_passed(kpis)))
    at, made = datetime.now(UTC), []
    for row in metrics.to_pylist():
        for minutes in lake.specs.ml.horizons_minutes:
            carried = {name: row[name] for name in (
                "segment_id", "source", "window_start", "window_date", "is_final", "revision",
                "kafka_timestamp_max")}  # fmt: skip
            made.append(carried | {
                "horizon_minutes": minutes, "congestion_probability": 0.25,
                "target_start": row["window_start"] + timedelta(minutes=minutes),
                "speed_kmh_predicted": 60.0, "model_name": MODEL[0], "model_version": MODEL[1],
                "scored_at": at,
            })  # fmt: skip
    rows = table(lake, SCORES, made)
    gate = Passed(datetime.now(UTC).isoformat(), rows.num_rows, "good-run")
    results = lake.table("ops.validation_result")
    result = {
        "run_id": "good-run", "table_name": SCORES, "validated_at": at, "is_success": True,
        "row_count": rows.num_rows, "sample_count": 10, "duration_s": 0.1, "failed_ids": [],
        "spec_version": lake.specs.version, "details": "{}",
    }  # fmt: skip
    failed = result | {"run_id": "bad-run", "is_success": False, "failed_ids": ["key_unique"]}
    results.append(table(lake, "ops.validation_result", [result, failed]), Note("journal", "v"))
    lake.table(SCORES).merge(rows, Note("stream", lake.specs.version, 0, gate=gate))


def _register(lake: Lake, roads: Iterable[str]) -> None:
    rows = table(lake, ROAD, [segment(road, source="simulator") for road in roads])
    lake.table(ROAD).merge(rows, Note("register", lake.specs.version, gate=_passed(rows)))


def good_lake(root: Path, specs: Specs) -> Good:
    """Make the lake below ``root``."""
    lake, records = Lake(root, specs), _records()
    _register(lake, ["simulator:a", "simulator:b"])
    _land(lake, records)  # road c is not known yet
    _register(lake, ["simulator:c"])
    midnight = next(r for r in records if b'"event_time": "2018-03-06' in (r.value() or b""))
    second_day = datetime.fromtimestamp(midnight.timestamp()[1] / 1000, UTC)
    replay, unknown = DeadLetterReplay(lake), DeadLetterFilter(reason="segment_known")
    replay.replay(replace(unknown, until=second_day))
    time.sleep(1)  # moments of retention are whole seconds
    first_day_landed = datetime.now(UTC)
    replay.replay(replace(unknown, since=second_day))
    _measure(lake)
    _score(lake)
    project(lake, [BRONZE, DEAD, ROAD, SILVER, SCORES, KPI])
    ends = {p: (0, 1 + max(r.offset() for r in records if r.partition() == p)) for p in (0, 1)}
    held = pa.table({
        "partition": pa.array([r.partition() for r in records], pa.int32()),
        "offset": pa.array([r.offset() for r in records], pa.int64()),
        "kafka_timestamp": pa.array([r.timestamp()[1] * 1000 for r in records],
                                    pa.int64()).cast(pa.timestamp("us", "UTC")),
        "key": pa.array([r.key() for r in records], pa.binary()),
        "value": pa.array([r.value() for r in records], pa.binary()),
    })  # fmt: skip
    return Good(root, ends, held, first_day_landed)

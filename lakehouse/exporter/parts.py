"""What the exporter looks at, a function a part: from the tables to the series of a metric."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.landing import reached_offset
from ingestion.topics import TopicAdmin
from lakehouse.delta_log import LOG
from lakehouse.jobs.checkpoint import told_through
from lakehouse.jobs.newest import newest_window
from lakehouse.location import Place
from lakehouse.metrics import Metrics
from lakehouse.metrics.commits import BRONZE, landings
from lakehouse.tables import Lake, LakeTable
from ml.outcome import JUDGED_COLUMNS, errors_of
from specs.loader import Specs
from specs.stored_text import is_text

DEAD_LETTER, ROADS, SILVER = "bronze.dead_letter", "silver.road_segment", "silver.segment_metric"
KPI, OUTCOME, RESULTS = "gold.network_kpi", "gold.score_outcome", "ops.validation_result"
MAX_COMMITS = 1000
"""Of bronze, that are counted as not taken in yet."""

Series = list[tuple[float, Mapping[str, object]]]


@dataclass
class Seen:
    """The tables as they are, and which version of each a part has taken in."""

    lake: Lake
    checkpoint: Place
    metrics: Metrics
    taken: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def specs(self) -> Specs:
        """The specs in force."""
        return self.lake.specs

    def table(self, name: str, *, surely: bool = False) -> LakeTable | None:
        """The table's newest version; None where it has not been made yet.

        To move a snapshot takes 6 ms even where nothing is new, so it is moved where the log has
        the next commit, and with ``surely`` always: that commit may have been cleaned away.
        """
        log = self.lake.folder(name) / LOG
        if not log.exists():
            return None
        table = self.lake.table(name)
        if surely or (log / f"{table.version + 1:020d}.json").exists():
            table.refresh()
        return table

    def fresh(self, part: str, name: str) -> LakeTable | None:
        """The table, where it has a version that ``part`` has not taken in yet."""
        table = self.table(name)
        if table is None or self.taken.get((part, name)) == table.version:
            return None
        self.taken[part, name] = table.version
        return table

    def forget(self, part: str) -> None:
        """Let ``part``, which failed, take in anew what it has seen."""
        self.taken = {key: version for key, version in self.taken.items() if key[0] != part}


def look_at_kafka(seen: Seen, admin: TopicAdmin) -> None:
    """What Kafka holds and bronze does not, by partition; the tables hold the truth."""
    topic, bronze = seen.specs.topics["traffic_event"].topic, seen.table(BRONZE)
    series: Series = []
    for place in admin.offsets([topic]):
        reached = None if bronze is None else reached_offset(bronze, topic, place.partition)
        done = 0 if reached is None else reached + 1
        behind = place.end - max(place.begin, done)
        series.append((max(0, behind), {"topic": topic, "partition": place.partition}))
    seen.metrics.replace("traffic_consumer_lag_records", series)


def look_at_stream(seen: Seen) -> None:
    """How far silver and gold are behind bronze."""
    bronze = seen.table(BRONZE)
    if bronze is None:
        return
    told = told_through(seen.lake, seen.checkpoint) if seen.table(KPI) is not None else -1
    versions = range(told + 1, min(bronze.version, told + MAX_COMMITS) + 1)
    waiting = list(landings(bronze.folder, versions))
    age = time.time() - waiting[0].committed_at if waiting else 0.0
    seen.metrics.set("traffic_stream_lag_seconds", max(0.0, age))
    seen.metrics.set("traffic_stream_lag_commits", len(waiting))


def look_at_tables(seen: Seen) -> None:
    """Files, log and version of every table."""
    for name in seen.specs.tables:
        table = seen.table(name, surely=True)
        if table is None:
            continue
        log = sum(1 for one in (table.folder / LOG).iterdir() if one.name[:1].isdigit())
        seen.metrics.set("traffic_table_log_files", log, table=name)
        if seen.fresh("tables", name) is not None:
            seen.metrics.set("traffic_table_files", len(table.files()), table=name)
            seen.metrics.set("traffic_table_version", table.version, table=name)


def look_at_gates(seen: Seen) -> None:
    """Refused batches of all time, by what they broke.

    What can be refused stands at 0 from the beginning: Prometheus sees no increase in a series
    that begins with 1.
    """
    found = Counter(dict.fromkeys(_refusable(seen.specs), 0))
    table = seen.fresh("gates", RESULTS)
    if table is not None:
        rows = table.read(["table_name", "failed_ids"], ~pc.field("is_success"))
        for row in rows.to_pylist():
            found.update((row["table_name"], rule) for rule in row["failed_ids"])
    elif ("gates", RESULTS) in seen.taken:
        return
    for (name, rule), count in found.items():
        seen.metrics.set("traffic_gate_failures_total", count, table=name, rule=rule)


def _refusable(specs: Specs) -> Iterator[tuple[str, str]]:
    for name, table in specs.tables.items():
        for rule in (*table.rules, *table.expectations):
            yield name, rule.id
    for bound in ("max_ratio", "max_consecutive"):
        yield BRONZE, f"dead_letters_{bound}"


def look_at_dead_letters(seen: Seen) -> None:
    """Dead letters that nobody has resolved."""
    table = seen.fresh("dead_letters", DEAD_LETTER)
    if table is not None:
        waiting = table.dataset().count_rows(filter=pc.field("resolved_at").is_null())
        seen.metrics.set("traffic_dead_letters_unresolved", waiting)


def look_at_sensors(seen: Seen) -> None:
    """Segments of each source, and those that are silent or ill, in the newest final hour."""
    roads, kpis, silver = (seen.table(name) for name in (ROADS, KPI, SILVER))
    if roads is None or kpis is None or silver is None:
        return
    registered = Counter(roads.read(["source"])["source"].to_pylist())
    final = kpis.read(["source", "window_start"], pc.field("is_final"))
    newest = final.group_by("source").aggregate([("window_start", "max")])
    silent: Series = []
    ill: Series = []
    for source, last in zip(
        *(newest[name].to_pylist() for name in newest.column_names), strict=True
    ):
        rows = _last_windows(seen, silver, source, last)
        heard = rows.filter(pc.greater(rows["observation_count"], 0))
        count = registered[source] - len(pc.unique(heard["segment_id"]))
        silent.append((max(0, count), {"source": source}))
        now = rows.filter(pc.equal(rows["window_start"], last))
        for rule, times in Counter(pc.list_flatten(now["detector_health"]).to_pylist()).items():
            ill.append((times, {"source": source, "rule": rule}))
    seen.metrics.replace("traffic_segments", [(n, {"source": s}) for s, n in registered.items()])
    seen.metrics.replace("traffic_segments_silent", silent)
    seen.metrics.replace("traffic_segments_unhealthy", ill)


def _last_windows(seen: Seen, silver: LakeTable, source: str, last: datetime) -> pa.Table:
    first = last - timedelta(seconds=seen.specs.ops.monitoring.silent_seconds)
    return silver.read(
        ["segment_id", "window_start", "observation_count", "detector_health"],
        (pc.field("window_date") >= first.date())
        & (pc.field("window_start") > first)
        & (pc.field("window_start") <= last)
        & (pc.field("window_seconds") == seen.specs.transforms.primary.size_seconds)
        & is_text("source", source),
    )


def look_at_outcomes(seen: Seen) -> None:
    """How good the newest scores were, beside persistence, where their outcome is known."""
    table = seen.fresh("outcomes", OUTCOME)
    if table is None:
        return
    last = newest_window(table)
    if last is None:
        return
    first = last - timedelta(days=seen.specs.ops.monitoring.outcome_days)
    recent = (pc.field("window_date") >= first.date()) & (pc.field("window_start") > first)
    counts: Series = []
    scores: Series = []
    gaps: Series = []
    for horizon, errors in errors_of(table.batches(JUDGED_COLUMNS, recent)).items():
        label = {"horizon_minutes": horizon}
        counts.append((errors.row_count, label))
        scores.append((errors.brier or 0.0, label | {"forecaster": "model"}))
        scores.append((errors.brier_persistence or 0.0, label | {"forecaster": "persistence"}))
        gaps.append((errors.calibration_error or 0.0, label))
    seen.metrics.replace("traffic_live_outcomes", counts)
    seen.metrics.replace("traffic_live_brier_score", scores)
    seen.metrics.replace("traffic_live_calibration_error", gaps)


def look_at_disk(seen: Seen) -> None:
    """The disk of the tables; before there are any, that of the home folder.

    Where they are in S3 it is the disk of the checkpoints, and nobody's where those are there too.
    """
    root = seen.lake.root if isinstance(seen.lake.root, Path) else seen.checkpoint
    if not isinstance(root, Path):
        return
    while not root.exists():
        root = root.parent
    usage = shutil.disk_usage(root)
    seen.metrics.set("traffic_disk_free_bytes", usage.free)
    seen.metrics.set("traffic_disk_size_bytes", usage.total)

"""How every segment stands at one moment: its newest window, and the forecasts made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from lakehouse.serving.rows import Forecast, SegmentCongestion

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
METRICS = [
    "segment_id", "source", "window_start", "is_final", "revision", "speed_kmh_mean",
    "speed_kmh_p15", "speed_kmh_p85", "travel_time_index", "congestion_level",
]  # fmt: skip
SCORES = [
    "segment_id", "window_start", "horizon_minutes", "revision", "target_start",
    "congestion_probability", "speed_kmh_predicted", "model_version",
]  # fmt: skip
STAMP = "kafka_timestamp_max"


@dataclass(frozen=True)
class Lookback:
    """Which windows count as current.

    Attributes:
        window_seconds: length of the primary window.
        seconds: a window that starts so far before the moment, or further, does not count.
    """

    window_seconds: int
    seconds: int


@dataclass(frozen=True)
class Standing:
    """Congestion by segment, and the newest Kafka timestamp behind it."""

    by_segment: Mapping[str, SegmentCongestion]
    kafka_timestamp: datetime | None


def is_text(column: str, text: str) -> pc.Expression:
    """Rows whose ``column`` is ``text``.

    delta-rs stores text as string_view, which the scanner cannot compare with row-group statistics;
    behind the cast it compares the values themselves.
    """
    return pc.field(column).cast(pa.large_string()) == text


def _between(after: datetime, until: datetime) -> pc.Expression:
    """Windows that start past ``after`` and not past ``until``, and their partitions."""
    starts, dates = pc.field("window_start"), pc.field("window_date")
    days = (dates >= after.date()) & (dates <= until.date())
    return days & (starts > after) & (starts <= until)


def _windows(moments: Mapping[str, datetime], lookback: Lookback) -> pc.Expression | None:
    """The current windows of each source."""
    found: pc.Expression | None = None
    for source, moment in moments.items():
        earliest = max(moment - timedelta(seconds=lookback.seconds), EPOCH)
        part = is_text("source", source) & _between(earliest, moment)
        found = part if found is None else found | part
    return found


def _newest(rows: pa.Table) -> pa.Table:
    """The row of each segment's newest window, by ``segment_id``."""
    newest = rows.group_by("segment_id", use_threads=False).aggregate([("window_start", "max")])
    newest = newest.rename_columns(["segment_id", "window_start"])
    joined = newest.join(rows, ["segment_id", "window_start"], join_type="inner", use_threads=False)
    return joined.sort_by("segment_id")


def _forecasts(
    rows: pa.Table, horizons: frozenset[int]
) -> dict[tuple[str, datetime], tuple[int, int, list[Forecast]]]:
    """By segment and window: the revision, the model's version and the forecasts."""
    found: dict[tuple[str, datetime], tuple[int, int, list[Forecast]]] = {}
    for row in rows.sort_by("horizon_minutes").to_pylist():
        if row["horizon_minutes"] not in horizons:
            continue  # of a model with other horizons than the specs have now
        key = (row["segment_id"], row["window_start"])
        entry = found.setdefault(key, (row["revision"], row["model_version"], []))
        entry[2].append(Forecast.model_construct(**{
            name: row[name] for name in Forecast.model_fields
        }))  # fmt: skip
    return found


def standing(
    silver: Dataset,
    scores: Dataset | None,
    moments: Mapping[str, datetime],
    lookback: Lookback,
    horizons: frozenset[int],
) -> Standing:
    """Read how every segment stands at a moment.

    Args:
        silver: silver.segment_metric.
        scores: gold.congestion_scores of the same batch; None where nothing was ever scored.
        moments: by source, the newest window that counts.
        lookback: how far back a window counts.
        horizons: horizons of the specs.

    Returns:
        Segments with a window in reach. A forecast is given only where it was made from the very
        revision of the window that is given with it.
    """
    windows = _windows(moments, lookback)
    if windows is None:
        return Standing({}, None)
    primary = pc.field("window_seconds") == lookback.window_seconds
    metrics = silver.to_table(columns=[*METRICS, STAMP], filter=windows & primary)
    metrics = _newest(metrics)
    made = {}
    if scores is not None and metrics.num_rows:
        rows = scores.to_table(columns=SCORES, filter=windows)
        keys = metrics.select(["segment_id", "window_start"])
        rows = rows.join(
            keys, ["segment_id", "window_start"], join_type="left semi", use_threads=False
        )
        made = _forecasts(rows, horizons)
    by_segment = {}
    for row in metrics.select(METRICS).to_pylist():
        scored = made.get((row["segment_id"], row["window_start"]))
        is_of_it = scored is not None and scored[0] == row["revision"]
        by_segment[row["segment_id"]] = SegmentCongestion.model_construct(
            **row,
            model_version=scored[1] if scored and is_of_it else None,
            forecasts=scored[2] if scored and is_of_it else [],
        )
    return Standing(by_segment, pc.max(metrics[STAMP]).as_py())

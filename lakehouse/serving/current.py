"""How every segment stands at one moment: its newest window, and the forecasts made from it."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, reduce
from operator import or_
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from lakehouse.serving.rows import Forecast, SegmentCongestion
from lakehouse.serving.versions import Files
from specs.loader import Specs
from specs.stored_text import is_text

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
Open = Callable[[Files], Dataset]
"""Opens the files of a table that may meet the bounds."""


@dataclass(frozen=True)
class Lookback:
    """What counts as current.

    Attributes:
        window_seconds: length of the primary window.
        seconds: a window that starts so far before the moment, or further, does not count.
        horizons: of the specs; a model with other ones may have scored before.
    """

    window_seconds: int
    seconds: int
    horizons: frozenset[int]

    @classmethod
    def of(cls, specs: Specs) -> Self:
        """What ``specs`` say."""
        return cls(
            specs.transforms.primary.size_seconds,
            specs.ops.serving.current_seconds,
            frozenset(specs.ml.horizons_minutes),
        )


class Standing:
    """Congestion by segment, and the newest Kafka timestamp behind it.

    It travels between processes packed, and is unpacked by the first who looks into it.
    """

    def __init__(
        self, by_segment: Mapping[str, SegmentCongestion] | bytes, kafka_timestamp: datetime | None
    ) -> None:
        """Take the rows as they are, or packed by another process of ours."""
        self._by_segment, self.kafka_timestamp = by_segment, kafka_timestamp

    @cached_property
    def by_segment(self) -> Mapping[str, SegmentCongestion]:
        """How each segment stands, in the order of ``segment_id``."""
        if isinstance(self._by_segment, bytes):
            rows: Mapping[str, SegmentCongestion] = pickle.loads(self._by_segment)  # noqa: S301
            return rows
        return self._by_segment

    def __reduce__(self) -> tuple[Any, ...]:
        """Pack it, if it is not packed."""
        held = self._by_segment
        packed = held if isinstance(held, bytes) else pickle.dumps(held)
        return Standing, (packed, self.kafka_timestamp)


def files_between(first: datetime, last: datetime) -> Files:
    """Files that may hold windows which start then, the bounds included."""
    return [
        ("window_date", ">=", first.date()), ("window_date", "<=", last.date()),
        ("window_start", ">=", first), ("window_start", "<=", last),
    ]  # fmt: skip


def _stretches(
    moments: Mapping[str, datetime], lookback: Lookback
) -> dict[str, tuple[datetime, datetime]]:
    """By source, the moments between which a window that counts may start; the first excluded."""
    reach = timedelta(seconds=lookback.seconds)
    return {source: (max(at - reach, EPOCH), at) for source, at in moments.items()}


def _windows(source: str, after: datetime, until: datetime) -> pc.Expression:
    starts, dates = pc.field("window_start"), pc.field("window_date")
    days = (dates >= after.date()) & (dates <= until.date())
    return is_text("source", source) & days & (starts > after) & (starts <= until)


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
            continue
        key = (row["segment_id"], row["window_start"])
        entry = found.setdefault(key, (row["revision"], row["model_version"], []))
        entry[2].append(Forecast.model_construct(**{
            name: row[name] for name in Forecast.model_fields
        }))  # fmt: skip
    return found


def standing(
    silver: Open,
    scores: Open | None,
    moments: Mapping[str, datetime],
    lookback: Lookback,
) -> Standing:
    """Read how every segment stands at a moment.

    Args:
        silver: opens silver.segment_metric.
        scores: opens gold.congestion_scores of the same batch; None where nothing was ever scored.
        moments: by source, the newest window that counts.
        lookback: how far back a window counts.

    Returns:
        Segments with a window in reach. A forecast is given only where it was made from the very
        revision of the window that is given with it.
    """
    stretches = _stretches(moments, lookback)
    if not stretches:
        return Standing({}, None)
    windows = reduce(or_, (_windows(source, *stretch) for source, stretch in stretches.items()))
    files = files_between(
        min(first for first, _ in stretches.values()), max(last for _, last in stretches.values())
    )
    primary = pc.field("window_seconds") == lookback.window_seconds
    metrics = silver(files).to_table(columns=[*METRICS, STAMP], filter=windows & primary)
    metrics = _newest(metrics)
    made = {}
    if scores is not None and metrics.num_rows:
        rows = scores(files).to_table(columns=SCORES, filter=windows)
        keys = metrics.select(["segment_id", "window_start"])
        rows = rows.join(
            keys, ["segment_id", "window_start"], join_type="left semi", use_threads=False
        )
        made = _forecasts(rows, lookback.horizons)
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

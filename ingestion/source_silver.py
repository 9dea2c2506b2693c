"""A source's files as the rows of silver that the stream would make of them, without a server."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.reading_query import event_query
from ingestion.road_segment import road_segments
from ingestion.sources import Selection, database, mapped_readings
from lakehouse.transforms.reading_panes import reading_panes
from lakehouse.transforms.segment_metric import segment_metric
from lakehouse.transforms.window_aggregate import window_aggregate
from quality.rules import verdicts
from specs.arrow import arrow_schema
from specs.errors import WrongInput
from specs.loader import Specs
from specs.rules import RowRule
from specs.sources import SourceSpec
from specs.transforms import TransformSpec

BRONZE, SILVER, SEGMENTS = "bronze.traffic_event", "silver.segment_metric", "silver.road_segment"
DAYS_AT_ONCE = 31
"""Bounds the readings in memory."""


@dataclass(frozen=True)
class SourceSilver:
    """``metrics``, rows of silver.segment_metric, and ``segments``.

    Of the primary window, and of the window that the source's targets are.
    """

    metrics: pa.Table
    segments: pa.Table


class _Part(NamedTuple):
    """Event times [start, end)."""

    start: datetime
    end: datetime


def source_silver(
    specs: Specs,
    name: str,
    selection: Selection,
    *,
    free_flow_until: datetime | None = None,
    columns: Sequence[str] | None = None,
) -> SourceSilver:
    """Make silver of a source's files, by the row rules and transforms that the stream goes by.

    A reading stands for itself where a Kafka record would: its event time is its Kafka timestamp.

    Args:
        specs: the source's mapping, the row rules, the transforms.
        name: a file of specs/sources.
        selection: which files and event times.
        free_flow_until: free-flow speeds come from readings before this, so that they know
            nothing of the time that a model is tested on; None takes all of the selection.
        columns: those of silver.segment_metric that are kept; None keeps all.

    Raises:
        WrongInput: there is no such source, its files do not fit its mapping, or no reading is in
            the selection.
    """
    if name not in specs.sources:
        raise WrongInput(f"no source {name}; specs/sources has {', '.join(specs.sources)}")
    source = specs.sources[name]
    known = replace(selection, end=free_flow_until or selection.end)
    segments = road_segments(source, specs.tables[SEGMENTS], known)
    transforms = _transforms(specs, name)
    rows = []
    for part, events in _accepted(specs, source, selection, transforms.longest_seconds):
        made = _silver(specs, transforms, events, segments)
        start, kind = made["window_start"], made.schema.field("window_start").type
        begun = pc.greater_equal(start, pa.scalar(part.start, kind))
        mine = pc.and_(begun, pc.less(start, pa.scalar(part.end, kind)))
        rows.append(made.filter(mine).select(columns or made.column_names))
    if not rows:
        raise WrongInput(f"{name}: no reading {selection.describe()}")
    return SourceSilver(pa.concat_tables(rows), segments)


def observed_time(specs: Specs, name: str, selection: Selection) -> pa.Table:
    """``window_start`` of every primary window that holds a reading of the selection.

    Raises:
        WrongInput: the source's files do not fit its mapping.
    """
    size = specs.transforms.primary.size_seconds
    with database() as connection:
        readings = mapped_readings(connection, specs.sources[name], selection)
        started = f"time_bucket(INTERVAL {size} SECOND, event_time)"
        return connection.sql(
            f"SELECT DISTINCT {started} AS window_start FROM {readings}"
            f" WHERE {selection.condition()}"
        ).to_arrow_table()


def _transforms(specs: Specs, name: str) -> TransformSpec:
    """The transforms with the primary window and that of the source's targets alone."""
    spec = specs.transforms
    wanted = {spec.primary_window, *(t.window for t in specs.ml.targets if t.source == name)}
    windows = tuple(window for window in spec.windows if window.id in wanted)
    return spec.model_copy(update={"windows": windows})


def _silver(
    specs: Specs, transforms: TransformSpec, events: pa.Table, segments: pa.Table
) -> pa.Table:
    aggregates = window_aggregate(reading_panes(events, transforms), transforms)
    past = datetime.max.replace(tzinfo=UTC)
    return segment_metric(aggregates, segments, specs, watermark=past, at=past)


def _accepted(
    specs: Specs, source: SourceSpec, selection: Selection, longest_seconds: int
) -> Iterator[tuple[_Part, pa.Table]]:
    """Readings that keep the row rules, a month at once, and those that its last windows reach."""
    topic, schema = specs.topics["traffic_event"], arrow_schema(specs.tables[BRONZE])
    with database() as connection:
        readings = mapped_readings(connection, source, selection)
        bounds = connection.sql(
            f"SELECT min(event_time), max(event_time) FROM {readings} WHERE {selection.condition()}"
        ).fetchall()[0]
        if bounds[0] is None:
            return
        rules: list[RowRule] | None = None
        for part in _months(selection, *bounds):
            reach = part.end + timedelta(seconds=longest_seconds)
            held = replace(selection, start=part.start, end=min(reach, selection.end or reach))
            chosen = f"(SELECT * FROM {readings} WHERE {held.condition()}) AS readings"
            made = f"""
                SELECT *, event_time AS kafka_timestamp,
                    TIMESTAMPTZ '{source.valid_from.isoformat()}' AS source_valid_from
                FROM ({event_query(source, topic, chosen)})"""
            events = connection.sql(made).to_arrow_table()
            types = {f.name: f.type for f in schema}
            fields = [pa.field(f.name, types.get(f.name, f.type)) for f in events.schema]
            events = events.cast(pa.schema(fields))
            if rules is None:
                rules = _rules_of(specs, events.column_names)
            if events.num_rows:
                yield part, verdicts(events, rules).accepted_rows()


def _months(selection: Selection, first: datetime, last: datetime) -> Iterator[_Part]:
    start = datetime.combine(first.astimezone(UTC).date(), datetime.min.time(), UTC)
    while start <= last:
        end = start + timedelta(days=DAYS_AT_ONCE)
        yield _Part(max(start, selection.start or start), min(end, selection.end or end))
        start = end


def _rules_of(specs: Specs, columns: list[str]) -> list[RowRule]:
    """Row rules of bronze that are about the reading, not about its Kafka record."""
    return [
        rule for rule in specs.tables[BRONZE].rules
        if set(rule.columns_used) <= set(columns)
    ]  # fmt: skip

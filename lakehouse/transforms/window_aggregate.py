"""Panes to windows: a window's sums are those of its panes, a pane's those of its parts. No JVM."""

import pyarrow as pa

from lakehouse.sql import select
from lakehouse.transforms.histogram import count_columns
from specs.transforms import TransformSpec

MICROS = 1_000_000


def _windows_of(panes: str, spec: TransformSpec) -> str:
    """SQL: each row of ``panes`` once for each window that holds it."""
    kinds = ", ".join(
        f"({window.size_seconds}, {window.slide_seconds * MICROS}, {step})"
        for window in spec.windows
        for step in range(window.size_seconds // window.slide_seconds)
    )
    first_end = "ceil(epoch_us(pane_end) / slide)::BIGINT * slide"
    return f"""
        SELECT * EXCLUDE (slide, step, pane_end),
            make_timestamptz({first_end} + step * slide) AS window_end
        FROM {panes}, (VALUES {kinds}) AS kind(window_seconds, slide, step)
    """


def _sums(spec: TransformSpec) -> dict[str, str]:
    """SQL by column: the sums of a whole from those of its parts."""
    sums = {a.name: a.over_parts for a in spec.aggregations}
    return sums | {name: f"sum({name})" for name in count_columns(spec.histogram)}


def add_panes(panes: pa.Table, more: pa.Table, spec: TransformSpec) -> pa.Table:
    """Add the sums of ``more`` readings to those of ``panes``; both as `pane_aggregate` gives."""
    made = ", ".join(f"{sql} AS {name}" for name, sql in _sums(spec).items())
    return select(
        f"SELECT segment_id, pane_end, {made} FROM parts GROUP BY segment_id, pane_end",
        parts=pa.concat_tables([panes, more.cast(panes.schema)]),
    ).cast(panes.schema)


def window_aggregate(
    panes: pa.Table, spec: TransformSpec, changed: pa.Table | None = None
) -> pa.Table:
    """Add up panes to windows, tumbling and sliding.

    Args:
        panes: what `pane_aggregate` gives, no (``segment_id``, ``pane_end``) twice.
        spec: the windows and aggregations.
        changed: ``segment_id`` and ``pane_end``; only windows that hold one of them are made.

    Returns:
        One row per (``segment_id``, ``window_seconds``, ``window_end``) with at least one event
        and the columns that ``panes`` has beside its key. A window whose panes are not all
        among ``panes`` lacks their part.
    """
    sums = _sums(spec)
    made = ", ".join(f"{sql} AS {name}" for name, sql in sums.items())
    key = "segment_id, window_seconds, window_end"
    touched = ""
    if changed is not None:
        touched = f"SEMI JOIN ({_windows_of('changed', spec)}) USING ({key})"
    query = f"SELECT {key}, {made} FROM ({_windows_of('panes', spec)}) {touched} GROUP BY ALL"
    rows = select(query, panes=panes, **({} if changed is None else {"changed": changed}))
    types = [pa.field("segment_id", pa.string()), pa.field("window_seconds", pa.int32())]
    types.append(pa.field("window_end", panes.schema.field("pane_end").type))
    return rows.cast(pa.schema([*types, *(panes.schema.field(name) for name in sums)]))

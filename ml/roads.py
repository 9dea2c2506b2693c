"""The road segments that a model reads and forecasts."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.columns import Floats, Integers, column, numbers
from specs.errors import WrongInput
from specs.ml import Label


@dataclass(frozen=True, eq=False)
class Roads:
    """Segments in a fixed order, by id, and what the model knows of each.

    ``free_flow_speed_kmh``, ``source`` and ``zone`` are [segments]; the last two are positions in
    ``sources`` and ``zones``. ``upstream`` and ``downstream`` are [segments, most neighbours]:
    positions of the neighbours by id, then -1.
    """

    segment_ids: tuple[str, ...]
    free_flow_speed_kmh: Floats
    sources: tuple[str, ...]
    source: Integers
    zones: tuple[ZoneInfo, ...]
    zone: Integers
    upstream: Integers
    downstream: Integers

    @classmethod
    def from_table(cls, segments: pa.Table, label: Label) -> Self:
        """Read rows of ``silver.road_segment``.

        Args:
            segments: ``segment_id``, ``source``, ``time_zone``, the neighbours' ids and the
                label's reference speed in km/h; one row a segment, in any order.
            label: names the reference speed.

        Raises:
            WrongInput: there is no segment, or one has two rows.
        """
        ids = np.array(column(segments, "segment_id", pa.string()).to_pylist(), dtype=object)
        if not len(ids):
            raise WrongInput("there is no road segment; load silver.road_segment first")
        order = np.argsort(ids, kind="stable")
        names = tuple(ids[order].tolist())
        twice = [name for name, after in pairwise(names) if name == after]
        if twice:
            raise WrongInput(f"segments with two rows in silver.road_segment: {twice[:5]}")
        source = column(segments, "source", pa.string()).dictionary_encode()
        zone = column(segments, "time_zone", pa.string()).dictionary_encode()
        return cls(
            segment_ids=names,
            free_flow_speed_kmh=numbers(segments, label.reference)[order],
            sources=tuple(source.dictionary.to_pylist()),
            source=source.indices.to_numpy().astype(np.int64)[order],
            zones=tuple(ZoneInfo(name) for name in zone.dictionary.to_pylist()),
            zone=zone.indices.to_numpy().astype(np.int64)[order],
            upstream=_beside(segments["upstream_segment_ids"].take(pa.array(order)), names),
            downstream=_beside(segments["downstream_segment_ids"].take(pa.array(order)), names),
        )

    @cached_property
    def id_array(self) -> pa.Array:
        """``segment_ids`` as Arrow strings."""
        return pa.array(self.segment_ids, pa.string())

    def positions(self, silver: pa.Table) -> Integers:
        """Position of each row's segment [rows].

        Raises:
            WrongInput: a row's segment is not among the road segments.
        """
        ids = column(silver, "segment_id", pa.string())
        found = pc.index_in(ids, value_set=self.id_array)
        if found.null_count:
            strangers = pc.unique(ids.filter(pc.is_null(found))).to_pylist()
            raise WrongInput(f"segments that silver.road_segment does not have: {strangers[:5]}")
        positions: Integers = found.to_numpy(zero_copy_only=False).astype(np.int64)
        return positions


def _beside(ids: pa.ChunkedArray, names: tuple[str, ...]) -> Integers:
    """Positions [segments, most neighbours] in ``names`` of each list of ids, then -1."""
    position = {name: at for at, name in enumerate(names)}
    lists = [sorted(position[one] for one in each or () if one in position)
             for each in ids.to_pylist()]  # fmt: skip
    beside = np.full((len(lists), max(map(len, lists), default=0)), -1, dtype=np.int64)
    for row, found in enumerate(lists):
        beside[row, : len(found)] = found
    return beside

"""What was observed: speeds that features read, and the truth that targets come from."""

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from ml.columns import Booleans, Floats, Integers
from ml.features import targets_of
from ml.grid import Rows, SpeedGrid
from ml.recent import ObservedCells
from ml.targets import longest_target, target_rows
from specs.loader import Specs
from specs.ml import MlSpec


def is_congested(speed_kmh: Floats, free_flow_speed_kmh: Floats, spec: MlSpec) -> Booleans:
    """The label rule of the spec; false where the speed is NaN."""
    return speed_kmh < spec.label.congested_below_ratio * free_flow_speed_kmh


@dataclass(frozen=True, eq=False)
class Observations:
    """What was observed: ``seen``, which features read, and ``truth``, which targets come from.

    They differ where a source's targets are longer windows than the primary one, see `ml.targets`;
    ``target_windows`` is how many primary windows a target spans at most.
    """

    seen: SpeedGrid
    truth: SpeedGrid
    spec: MlSpec
    target_windows: int = 1

    @classmethod
    def of(cls, silver: pa.Table, segments: pa.Table, specs: Specs) -> "Observations":
        """Read rows of ``silver.segment_metric`` and ``silver.road_segment``.

        Args:
            silver: those of `ml.targets.needed_rows` are used; ``source`` and ``vehicle_count``
                only where a source has targets of its own.
            segments: see `Roads.from_table`.
            specs: the primary window, the label and the targets.

        Raises:
            WrongInput: a row's segment is not in ``segments``.
        """
        window_seconds = specs.transforms.primary.size_seconds
        grid = SpeedGrid.from_tables(silver, segments, specs.ml.label, window_seconds)
        if not any(target.source in grid.roads.sources for target in specs.ml.targets):
            return cls(grid, grid, specs.ml)
        rows = target_rows(silver, specs)
        at = rows.column_names.index("window_seconds")  # a longer one has its first window's number
        rows = rows.set_column(at, "window_seconds", pa.repeat(window_seconds, len(rows)))
        truth = SpeedGrid.empty(grid.roads, specs.ml.label, window_seconds).with_rows(rows)
        return cls(grid, truth, specs.ml, longest_target(specs, grid.roads.sources))

    @cached_property
    def cells(self) -> ObservedCells:
        """What profiles are made from: what is usual, and was lately, of that which is forecast."""
        return ObservedCells(self.truth, self.spec)

    def label(self, rows: Rows, speed_kmh: Floats) -> Booleans:
        """Whether a speed [n] means congestion on the rows' segments."""
        free_flow = self.seen.roads.free_flow_speed_kmh[rows.segment]
        return is_congested(speed_kmh, free_flow, self.spec)

    def passed(self, target_window: Integers, end: int) -> Booleans:
        """Whether targets [n] that begin in these windows are over when window ``end`` begins."""
        return target_window + self.target_windows <= end

    def targets(self, rows: Rows, horizon_minutes: int) -> Floats:
        """Speed [n] in km/h in the rows' target windows; NaN where none was truly observed."""
        return self.truth.speeds_at(targets_of(self.truth, rows, horizon_minutes))

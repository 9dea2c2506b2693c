"""Outcomes: what came of the scores whose target has passed, and how good they were."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.columns import Booleans, Floats
from ml.measures import MEASURES, Forecast, Outcome, added_up, measured
from ml.targets import target_rows
from specs.arrow import arrow_schema
from specs.loader import Specs


@dataclass(frozen=True)
class Quality:
    """How scores and persistence did on the same ``row_count`` rows; None where undefined."""

    row_count: int
    congested_ratio: float | None
    brier: float | None
    auroc: float | None
    calibration_error: float | None
    brier_persistence: float | None
    auroc_persistence: float | None

    @property
    def brier_skill(self) -> float | None:
        """Share of persistence's Brier score that the model takes away; 1 is perfect.

        Source: Murphy 1973, skill score against a reference forecast.
        """
        if self.brier is None or not self.brier_persistence:
            return None
        return 1 - self.brier / self.brier_persistence


Judged: TypeAlias = tuple[Forecast, Forecast, Outcome]
"""The model's forecast, persistence's, and what came."""

JUDGED_COLUMNS = [
    "horizon_minutes", "congestion_probability", "speed_kmh_predicted", "is_congested_now",
    "is_congested", "speed_kmh_observed",
]  # fmt: skip
"""Of ``gold.score_outcome``: what quality is told by."""


@dataclass(frozen=True)
class Errors:
    """What of `Quality` adds up over rows."""

    row_count: int
    brier: float | None
    brier_persistence: float | None
    calibration_error: float | None


def outcomes(scores: pa.Table, silver: pa.Table, specs: Specs) -> pa.Table:
    """Join each score with what was observed in its target window.

    Args:
        scores: rows of ``gold.congestion_scores``.
        silver: rows of ``silver.segment_metric`` of the scores' windows and their targets, see
            `ml.targets.needed_rows`; others do not count.
        specs: the windows, the targets, the label's column and the table's schema.

    Returns:
        One row of ``gold.score_outcome`` a score whose target was truly observed, sorted by key.
        ``is_congested_now`` is null where the score's own window was not observed.
    """
    schema = arrow_schema(specs.tables["gold.score_outcome"])
    primary = pc.equal(silver["window_seconds"], specs.transforms.primary.size_seconds)
    seen = pc.and_(primary, pc.greater(silver["observation_count"], 0))
    now = _plain_ids(silver.filter(seen))
    now = now.select(["segment_id", "window_start", "is_congested"]).rename_columns(
        ["segment_id", "window_start", "is_congested_now"]
    )
    target = _plain_ids(target_rows(silver, specs))
    target = target.select(
        ["segment_id", "window_start", "is_congested", specs.ml.label.column]
    ).rename_columns(["segment_id", "target_start", "is_congested", "speed_kmh_observed"])
    joined = (
        _plain_ids(scores)
        .join(target, ["segment_id", "target_start"], join_type="inner")
        .join(now, ["segment_id", "window_start"], join_type="left outer")
        .sort_by([(name, "ascending") for name in specs.tables["gold.score_outcome"].key])
    )
    return joined.select(schema.names).cast(schema)


def quality_of(outcomes: pa.Table) -> Mapping[int, Quality]:
    """Quality by horizon in minutes, over the rows for which persistence has an answer too.

    Args:
        outcomes: rows of ``gold.score_outcome``, of them at least `JUDGED_COLUMNS`.
    """
    return {horizon: _quality(*judged) for horizon, judged in _judged(outcomes)}


def errors_of(outcomes: Iterable[pa.RecordBatch]) -> Mapping[int, Errors]:
    """As `quality_of`, of rows that come a piece at a time."""
    pieces = defaultdict(list)
    for batch in outcomes:
        for horizon, (model, persistence, outcome) in _judged(pa.Table.from_batches([batch])):
            pieces[horizon].append(
                (
                    added_up("brier", model, outcome),
                    added_up("brier", persistence, outcome),
                    added_up("calibration_error", model, outcome),
                )
            )
    return {
        horizon: _errors(*(np.sum(one, axis=0) for one in zip(*added, strict=True)))
        for horizon, added in sorted(pieces.items())
    }


def _errors(brier: Floats, persistence: Floats, gaps: Floats) -> Errors:
    mean_of = MEASURES["brier"].figure
    return Errors(
        int(gaps[-1]), mean_of(brier), mean_of(persistence),
        MEASURES["calibration_error"].figure(gaps),
    )  # fmt: skip


def _judged(outcomes: pa.Table) -> Iterator[tuple[int, Judged]]:
    """What the model said, what persistence says and what came, by horizon."""
    known = outcomes.filter(pc.is_valid(outcomes["is_congested_now"]))
    for horizon in sorted(pc.unique(outcomes["horizon_minutes"]).to_pylist()):
        rows = known.filter(pc.equal(known["horizon_minutes"], horizon))
        now: Booleans = rows["is_congested_now"].to_numpy()
        observed: Floats = rows["speed_kmh_observed"].to_numpy()
        model = Forecast(
            rows["congestion_probability"].to_numpy(), rows["speed_kmh_predicted"].to_numpy()
        )
        outcome = Outcome(rows["is_congested"].to_numpy(), observed, now)
        yield horizon, (model, Forecast(now.astype(np.float64), observed), outcome)


def _quality(model: Forecast, persistence: Forecast, outcome: Outcome) -> Quality:
    return Quality(
        row_count=len(outcome),
        congested_ratio=float(outcome.congested.mean()) if len(outcome) else None,
        brier=measured("brier", model, outcome),
        auroc=measured("auroc", model, outcome),
        calibration_error=measured("calibration_error", model, outcome),
        brier_persistence=measured("brier", persistence, outcome),
        auroc_persistence=measured("auroc", persistence, outcome),
    )


def _plain_ids(table: pa.Table) -> pa.Table:
    """The table with ``segment_id`` as plain strings, so that two tables' ids can be joined."""
    at = table.column_names.index("segment_id")
    return table.set_column(at, "segment_id", table["segment_id"].cast(pa.string()))

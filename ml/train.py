"""Training: from silver rows to a model, and how it does on the latest part of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ml.columns import Booleans, Floats
from ml.evaluate import METRICS, Forecast, Outcome
from ml.examples import ExampleSet, Parts, SplitTimes, is_congested
from ml.features import seconds_of_week, targets_of
from ml.grid import Rows, SpeedGrid
from ml.model import CongestionModel, Examples
from specs.errors import WrongInput
from specs.loader import Specs
from specs.ml import Baseline

EXAMPLE_ROWS = 5

Measures = Mapping[str, float | None]
Metrics = Mapping[int, Mapping[str, Measures]]


@dataclass(frozen=True)
class TrainedModel:
    """A model and how it did.

    ``metrics[horizon_minutes][forecaster][metric]`` is of the test rows whose own window was
    observed, so that every forecaster answers the same rows; forecaster is ``model`` or a baseline
    of the spec; None where it is undefined. ``row_counts[horizon_minutes]`` has the rows of each
    part, after sampling, and under ``judged`` those that the metrics are of. ``example``
    [n, 1 + features] is input for `CongestionModel.predict`.
    """

    model: CongestionModel
    metrics: Metrics
    split: SplitTimes
    row_counts: Mapping[int, Mapping[str, int]]
    example: Floats


def train(silver: pa.Table, segments: pa.Table, specs: Specs) -> TrainedModel:
    """Fit every horizon on the earlier part of the rows and judge it on the latest.

    The same rows in any order give the same model.

    Args:
        silver: rows of ``silver.segment_metric``; those of the primary window are used.
        segments: rows of ``silver.road_segment``.
        specs: the features, the label, the split and the parameters.

    Raises:
        WrongInput: there are too few rows, or a part of them is all congested or all free.
    """
    spec, window_seconds = specs.ml, specs.transforms.primary.size_seconds
    grid = SpeedGrid.from_tables(silver, segments, spec.label, window_seconds)
    rows = grid.rows(grid.primary(silver))
    if len(rows) < spec.training.min_rows:
        raise WrongInput(
            f"{len(rows)} rows of silver.segment_metric are too few to train on; "
            f"ml.yaml asks for {spec.training.min_rows}"
        )
    known = ExampleSet.of(grid, rows, spec)
    parts = {horizon: known.parts(horizon) for horizon in spec.horizons_minutes}
    model = CongestionModel(spec.model_dump_json(), window_seconds, known.profile)
    model.fit({horizon: _examples(known, parts[horizon], horizon) for horizon in parts})
    metrics, row_counts = {}, {}
    for horizon, part in parts.items():
        judged = part.test[~np.isnan(grid.speeds_at(part.test))]
        metrics[horizon] = _measures(known, model, judged, horizon)
        row_counts[horizon] = {
            "train": len(part.train),
            "calibrate": len(part.calibrate),
            "test": len(part.test),
            "judged": len(judged),
        }
    return TrainedModel(model, metrics, known.times, row_counts, _example(known))


def _examples(known: ExampleSet, parts: Parts, horizon_minutes: int) -> tuple[Examples, Examples]:
    """Examples to learn from, and those to calibrate on."""
    unseen = known.unseen_inputs(parts.train, horizon_minutes)
    earlier = known.examples(parts.train, horizon_minutes, unseen)
    inputs = known.inputs(parts.calibrate, horizon_minutes)
    later = known.examples(parts.calibrate, horizon_minutes, inputs)
    _require_both(earlier.congested, "training", horizon_minutes)
    _require_both(later.congested, "calibration", horizon_minutes)
    return earlier, later


def _require_both(congested: Booleans, part: str, horizon_minutes: int) -> None:
    if congested.any() and not congested.all():
        return
    share = "all" if congested.any() else "none"
    raise WrongInput(
        f"of the {len(congested)} {part} rows {share} are congested {horizon_minutes} min ahead, "
        "which teaches nothing; train on a longer time"
    )


def _measures(
    known: ExampleSet, model: CongestionModel, rows: Rows, horizon_minutes: int
) -> dict[str, Measures]:
    """Every metric of the spec, of the model and of every baseline."""
    target = targets_of(known.grid, rows, horizon_minutes)
    observed, now = known.grid.speeds_at(target), known.grid.speeds_at(rows)
    outcome = Outcome(known.label(rows, observed), observed, known.label(rows, now))
    answer = model.forecast(known.grid, rows)
    at = model.horizons_minutes.index(horizon_minutes)
    forecasts = {"model": Forecast(answer.probability[:, at], answer.speed_kmh[:, at])}
    for name in known.spec.baselines:
        forecasts[name] = BASELINES[name](known, rows, target)
    return {
        forecaster: {metric: METRICS[metric](forecast, outcome) for metric in known.spec.metrics}
        for forecaster, forecast in forecasts.items()
    }


def _persistence(known: ExampleSet, rows: Rows, target: Rows) -> Forecast:
    """It stays as it is now."""
    speed = known.grid.speeds_at(rows)
    return Forecast(known.label(rows, speed).astype(np.float64), speed)


def _historical_average(known: ExampleSet, rows: Rows, target: Rows) -> Forecast:
    """It is as usual on the segment at the target's time of the week."""
    roads = known.grid.roads
    clock = seconds_of_week(roads, target, known.grid.window_seconds)
    share = known.profile_of(lambda speed, free: is_congested(speed, free, known.spec))
    ratio = known.profile.at(roads.segment_ids, target.segment, clock)
    return Forecast(
        share.at(roads.segment_ids, target.segment, clock),
        ratio * roads.free_flow_speed_kmh[target.segment],
    )


BASELINES: dict[Baseline, Callable[[ExampleSet, Rows, Rows], Forecast]] = {
    "persistence": _persistence,
    "historical_average": _historical_average,
}


def _example(known: ExampleSet) -> Floats:
    """A few rows [n, 1 + features] of the first horizon, spread over the time."""
    horizon = known.spec.horizons_minutes[0]
    few = known.rows[np.linspace(0, len(known.rows) - 1, EXAMPLE_ROWS).astype(np.int64)]
    asked = np.full((len(few), 1), float(horizon))
    return np.hstack([asked, known.inputs(few, horizon)])

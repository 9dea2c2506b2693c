"""Training: from silver rows to a model, and how it does on later ones."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pyarrow as pa

from ml.calendar import DAY_SECONDS
from ml.columns import Booleans, Floats
from ml.evaluate import HorizonReport, judge, report
from ml.examples import ExampleSet
from ml.features import features
from ml.grid import Rows
from ml.memory import Memory
from ml.model import CongestionModel, Lessons
from ml.observations import Observations
from ml.sanity import slower_is_likelier
from specs.errors import WrongInput
from specs.loader import Specs
from specs.ml import MlSpec

EXAMPLE_ROWS = 5
SCORED_ROWS = 10_000
NEEDED_FEATURES = {"speed_ratio", "profile_ratio", "profile_stddev", "free_flow_speed_kmh"}

Measures = Mapping[str, float | None]
Metrics = Mapping[int, Mapping[str, Measures]]


@dataclass(frozen=True)
class SplitTimes:
    """Window starts (UTC): training is before ``test``, testing from there to ``end``."""

    train: datetime
    test: datetime
    end: datetime


@dataclass(frozen=True)
class TrainedModel:
    """A model and how it did on the time after its training.

    ``reports`` is by horizon in minutes. ``row_counts[horizon_minutes]`` has the rows of each
    part, after sampling, and under ``judged`` those that the reports are of. ``example``
    [n, 1 + features] is input for `CongestionModel.predict`. ``scoring_ms`` is how long one core
    takes to forecast from `SCORED_ROWS` rows, at every horizon; ``slower_is_likelier`` see
    `ml.sanity`.
    """

    model: CongestionModel
    reports: Mapping[int, HorizonReport]
    split: SplitTimes
    row_counts: Mapping[int, Mapping[str, int]]
    example: Floats
    scoring_ms: float
    slower_is_likelier: float | None

    @property
    def metrics(self) -> Metrics:
        """``metrics[horizon_minutes][forecaster][metric]``; onsets' are named ``…_onset``."""
        return metrics_of(self.reports)


def metrics_of(reports: Mapping[int, HorizonReport]) -> Metrics:
    """The reports' point estimates; those of onsets under names such as ``auprc_onset``."""
    return {
        horizon: {
            name: {metric: estimate.value for metric, estimate in estimates.items()}
            | {f"{metric}_onset": one.value for metric, one in report.onset[name].items()}
            for name, estimates in report.overall.items()
        }
        for horizon, report in reports.items()
    }


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
    observations = Observations.of(silver, segments, specs)
    windows = observations.seen.windows
    count = int(observations.truth.observed.sum())
    if count < specs.ml.training.min_rows:
        raise WrongInput(
            f"{count} observed rows of silver.segment_metric are too few to train on; "
            f"ml.yaml asks for {specs.ml.training.min_rows}"
        )
    test = int(windows[round(len(windows) * (1 - specs.ml.training.test))])
    return train_before(observations, test)


def train_before(observations: Observations, test: int) -> TrainedModel:
    """Fit every horizon on targets before window ``test`` and judge it on the rest.

    Raises:
        WrongInput: there are too few rows, or a part of them is all congested or all free.
    """
    windows, spec = observations.seen.windows, observations.spec
    start, end = int(windows[0]), int(windows[-1]) + 1
    model, counts = fit(observations, start, test)
    judged = judge(observations, model, test, end)
    reports = {horizon: report(rows, observations) for horizon, rows in judged.items()}
    for horizon, one in reports.items():
        counts[horizon]["judged"] = one.row_count
    at = [window * observations.seen.window_seconds for window in (start, test, end - 1)]
    split = SplitTimes(*(datetime.fromtimestamp(moment, UTC) for moment in at))
    example = _example(observations, model, spec)
    took, sane = scoring_ms(observations, model), slower_is_likelier(observations, model)
    return TrainedModel(model, reports, split, counts, example, took, sane)


def scoring_ms(observations: Observations, model: CongestionModel) -> float:
    """Milliseconds of one core for `SCORED_ROWS` rows at every horizon, features included.

    The newest windows' segments, each row another as in a large city, as far as there are so many.
    CPU time and the best of five tries, since others may run on the core: a busy machine must not
    make a model look slow.
    """
    grid = observations.seen
    here, number = len(grid.roads.segment_ids), np.arange(SCORED_ROWS)
    known = max(len(grid.windows) - observations.spec.history_windows, 1)
    rows = Rows(number % here, grid.windows[-1 - number // here % known])
    tries = []
    for _ in range(5):
        began = time.process_time()
        model.forecast(grid, rows)
        tries.append(time.process_time() - began)
    return min(tries) * 1000


def fit(
    observations: Observations, start: int, end: int
) -> tuple[CongestionModel, dict[int, dict[str, int]]]:
    """Fit every horizon on targets from window ``start`` to ``end`` (excluded).

    Returns:
        The model, and by horizon how many rows it has learnt from and was calibrated on.

    Raises:
        WrongInput: a needed feature is absent, there are too few rows, or a part of them is all
            congested or all free.
    """
    spec = observations.spec
    absent = NEEDED_FEATURES - {feature.name for feature in spec.features}
    if absent:
        raise WrongInput(f"ml.yaml lacks features that a model stands on: {sorted(absent)}")
    known = ExampleSet(observations, start, end)
    window_seconds = observations.seen.window_seconds
    recent = known.cells.recent(latest_day(observations))
    memory = Memory(known.profile, recent, known.networks.whole)
    model = CongestionModel(spec.model_dump_json(), window_seconds, memory)
    counts: dict[int, dict[str, int]] = {}

    def lessons(horizon: int) -> Lessons:
        parts = known.parts(horizon)
        counts[horizon] = {"learn": len(parts.learn), "calibrate": len(parts.calibrate)}
        learn = known.examples(parts.learn, horizon)
        held_out = known.examples(parts.calibrate, horizon)
        _require_both(learn.congested, "training", horizon)
        _require_both(held_out.congested, "calibration", horizon)
        return Lessons(learn, held_out, parts.again)

    model.fit({horizon: partial(lessons, horizon) for horizon in spec.horizons_minutes})
    return model, counts


def latest_day(observations: Observations) -> int:
    """The newest midnight (days since the Unix epoch, UTC) that was observed up to."""
    seen = observations.seen
    return int((seen.windows[-1] + 1) * seen.window_seconds // DAY_SECONDS)


def _require_both(congested: Booleans, part: str, horizon_minutes: int) -> None:
    if congested.any() and not congested.all():
        return
    share = "all" if congested.any() else "none"
    raise WrongInput(
        f"of the {len(congested)} {part} rows {share} are congested {horizon_minutes} min ahead, "
        "which teaches nothing; train on a longer time"
    )


def _example(observations: Observations, model: CongestionModel, spec: MlSpec) -> Floats:
    """A few rows [n, 1 + features] of the first horizon, spread over the time."""
    horizon, grid = spec.horizons_minutes[0], observations.seen
    segment, column = np.nonzero(grid.observed)
    few = np.linspace(0, len(segment) - 1, EXAMPLE_ROWS).astype(np.int64)
    rows = Rows(segment[few], grid.windows[column[few]])
    asked = np.full((len(rows), 1), float(horizon))
    return np.hstack([asked, features(grid, rows, spec, model.memory, horizon)])

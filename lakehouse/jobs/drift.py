"""How far the newest windows lie from what the champion was trained on."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.jobs.evaluation import COLUMNS, SEGMENTS, SILVER
from lakehouse.jobs.model_watch import ModelWatch
from lakehouse.jobs.newest import newest_window, since_window
from lakehouse.tables import Lake
from ml.targets import needed_rows

if TYPE_CHECKING:
    from ml.model import CongestionModel

SAMPLE_ROWS = 20_000


def live_drift(lake: Lake, tracking_uri: str) -> dict[str, float]:
    """`drift_of` the champion; empty without one.

    Raises:
        Unavailable: the registry does not answer.
    """
    from ml.registry import champion

    loaded = champion(tracking_uri, lake.specs)
    return {} if loaded is None else drift_of(lake, loaded.model)


def drift_of(lake: Lake, model: "CongestionModel") -> dict[str, float]:
    """Population stability index of each feature of the first horizon, and of ``label``.

    Over the hours of ml.yaml; empty without a row.
    """
    import numpy as np

    from ml.features import features
    from ml.observations import Observations

    rows = _newest(lake)
    if not rows.num_rows:
        return {}
    segments = lake.table(SEGMENTS)
    segments.refresh()
    observations = Observations.of(rows, segments.read(), replace(lake.specs, ml=model.spec))
    grid = observations.seen
    cells = grid.rows(grid.primary(rows))
    cells = cells[cells.window >= int(grid.windows[0]) + model.spec.history_windows]
    if not len(cells):
        return {}
    cells = cells[np.unique(np.linspace(0, len(cells) - 1, SAMPLE_ROWS).astype(np.int64))]
    horizon = model.horizons_minutes[0]
    inputs = features(grid, cells, model.spec, model.memory, horizon)
    reference = model.references[horizon]
    names = tuple(feature.name for feature in model.spec.features)
    speed = observations.truth.speeds_at(cells)
    congested = observations.label(cells, speed)[~np.isnan(speed)]
    found = dict(reference.drift(inputs, names))
    return found | ({"label": reference.label_drift(congested)} if len(congested) else {})


def watch_drift(lake: Lake, models: ModelWatch) -> None:
    """Tell Prometheus the drift of the model in hand; nothing where there is none."""
    with lake.metrics.measured():
        found = {} if models.model is None else drift_of(lake, models.model.model)
        lake.metrics.replace(
            "traffic_feature_drift", [(value, {"feature": name}) for name, value in found.items()]
        )


def _newest(lake: Lake) -> pa.Table:
    """What features and targets stand on, of the drift rule's hours and the history before."""
    specs = lake.specs
    silver = lake.table(SILVER)
    silver.refresh()
    seconds = specs.transforms.primary.size_seconds
    newest = newest_window(silver)
    if newest is None:
        return silver.schema.empty_table()
    history = timedelta(seconds=seconds * specs.ml.history_windows)
    since = newest - timedelta(hours=specs.ml.drift.hours) - history
    columns = [*COLUMNS, specs.ml.label.column]
    return silver.read(columns=columns, where=needed_rows(specs) & since_window(since))

"""How far the newest windows lie from what the champion was trained on."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.jobs.evaluation import COLUMNS, SEGMENTS, SILVER
from lakehouse.jobs.newest import newest_window, since_window
from lakehouse.tables import Lake

SAMPLE_ROWS = 20_000


def live_drift(lake: Lake, tracking_uri: str) -> dict[str, float]:
    """Population stability index of each feature of the first horizon, and of ``label``.

    Over the hours of ml.yaml; empty without a champion or a row.

    Raises:
        Unavailable: the registry does not answer.
    """
    import numpy as np

    from ml.features import features
    from ml.grid import SpeedGrid
    from ml.registry import champion

    specs = lake.specs
    loaded = champion(tracking_uri, specs)
    rows = _newest(lake)
    if loaded is None or not rows.num_rows:
        return {}
    model, seconds = loaded.model, specs.transforms.primary.size_seconds
    grid = SpeedGrid.from_tables(rows, lake.table(SEGMENTS).read(), model.spec.label, seconds)
    cells = grid.rows(grid.primary(rows))
    cells = cells[cells.window >= int(grid.windows[0]) + model.spec.history_windows]
    if not len(cells):
        return {}
    cells = cells[np.unique(np.linspace(0, len(cells) - 1, SAMPLE_ROWS).astype(np.int64))]
    horizon = model.horizons_minutes[0]
    inputs = features(grid, cells, model.spec, model.profiles, horizon)
    reference = model.references[horizon]
    names = tuple(feature.name for feature in model.spec.features)
    speed = grid.speeds_at(cells)
    observed = ~np.isnan(speed)
    free_flow = grid.roads.free_flow_speed_kmh[cells.segment][observed]
    congested = speed[observed] < model.spec.label.congested_below_ratio * free_flow
    found = dict(reference.drift(inputs, names))
    return found | ({"label": reference.label_drift(congested)} if len(congested) else {})


def _newest(lake: Lake) -> pa.Table:
    """Primary windows of silver of the drift rule's hours and the history before them."""
    specs = lake.specs
    silver = lake.table(SILVER)
    silver.refresh()
    seconds = specs.transforms.primary.size_seconds
    primary = pc.field("window_seconds") == seconds
    newest = newest_window(silver)
    if newest is None:
        return silver.schema.empty_table()
    history = timedelta(seconds=seconds * specs.ml.history_windows)
    since = newest - timedelta(hours=specs.ml.drift.hours) - history
    columns = [*COLUMNS, specs.ml.label.column]
    return silver.read(columns=columns, where=primary & since_window(since))

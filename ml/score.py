"""Scores: what the model says of silver rows, as rows of ``gold.congestion_scores``."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from ml.grid import MICROSECONDS, SpeedGrid
from ml.model import CongestionModel
from specs.arrow import arrow_schema
from specs.tables import TableSpec


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model, its name and version in the registry, and the spec of the table it makes.

    ``trained_at``: when its training was registered (UTC); None where it comes from no registry.
    """

    name: str
    version: int
    model: CongestionModel = field(repr=False)
    table: TableSpec = field(repr=False)
    trained_at: datetime | None = None


def scores(
    loaded: LoadedModel, grid: SpeedGrid, silver: pa.Table, *, scored_at: datetime
) -> pa.Table:
    """Forecast from each silver row of the primary window, at every horizon.

    Args:
        loaded: the champion.
        grid: speeds in km/h that hold the rows of ``silver`` and their history.
        silver: rows of ``silver.segment_metric``, each segment and window once; those of other
            window lengths are left out.
        scored_at: the moment of scoring (UTC).

    Returns:
        One row a silver row and horizon, sorted by key, in exactly the schema of
        ``gold.congestion_scores``.

    Raises:
        WrongInput: a row's segment is not in the grid, or the grid has dropped windows that a
            row's history needs.
    """
    silver = grid.primary(silver)
    rows = grid.rows(silver)
    order = np.lexsort((rows.window, rows.segment))
    rows, silver = rows[order], silver.take(order)
    prediction = loaded.model.forecast(grid, rows)
    horizons = loaded.model.horizons_minutes
    each = pa.array(np.repeat(np.arange(len(rows)), len(horizons)))
    horizon_minutes = np.tile(np.array(horizons, dtype=np.int64), len(rows))
    started = np.repeat(rows.window, len(horizons)) * grid.window_seconds * MICROSECONDS
    target = pa.array(started + horizon_minutes * 60 * MICROSECONDS)
    schema = arrow_schema(loaded.table)
    made = {
        "window_start": pa.array(started).cast(schema.field("window_start").type),
        "window_date": pa.array(started).cast(pa.timestamp("us")).cast(pa.date32()),
        "horizon_minutes": horizon_minutes,
        "target_start": target.cast(schema.field("target_start").type),
        "congestion_probability": prediction.probability.ravel(),
        "speed_kmh_predicted": prediction.speed_kmh.ravel(),
        "speed_kmh_low": prediction.low_kmh.ravel(),
        "speed_kmh_high": prediction.high_kmh.ravel(),
        "model_name": pa.repeat(loaded.name, len(each)),
        "model_version": pa.repeat(loaded.version, len(each)),
        "scored_at": pa.repeat(pa.scalar(scored_at, schema.field("scored_at").type), len(each)),
    }
    carried = [name for name in schema.names if name not in made]
    repeated = silver.select(carried).take(each)
    columns = [made[name] if name in made else repeated[name] for name in schema.names]
    return pa.table(columns, names=schema.names).cast(schema)

"""Tiny silver tables and specs, as the tests of the model need them."""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from ml.grid import SpeedGrid
from ml.memory import Memory
from ml.network import MODE_UNIT, NetworkForecast
from ml.profile import Profile
from specs.arrow import arrow_schema
from specs.loader import Specs, load_specs
from specs.ml import MlSpec

SPECS = load_specs()
SILVER = arrow_schema(SPECS.tables["silver.segment_metric"])
WINDOW_SECONDS = 300
MONDAY = datetime(2018, 3, 5, tzinfo=UTC)
FIRST = int(MONDAY.timestamp()) // WINDOW_SECONDS  # number of Monday's first window

Cell = tuple[str, int, float | None]  # segment, windows since Monday, km/h


def at(window: int) -> datetime:
    """Start of a window that many windows after Monday midnight."""
    return MONDAY + timedelta(seconds=window * WINDOW_SECONDS)


def silver(cells: Iterable[Cell], **same: Any) -> pa.Table:
    """Rows of silver.segment_metric with one event each; a speed of None is no observation."""
    rows = []
    for segment_id, window, speed in cells:
        congested = None if speed is None else speed < 60
        row = {
            "segment_id": segment_id, "source": "city", "window_seconds": WINDOW_SECONDS,
            "window_start": at(window), "window_end": at(window + 1),
            "window_date": at(window).date(), "event_count": 1,
            "observation_count": 0 if speed is None else 1, "speed_kmh_mean": speed,
            "is_congested": congested, "completeness_ratio": 1.0, "detector_health": [],
            "anomalies": [], "is_final": False, "revision": 0,
            "kafka_timestamp_max": at(window), "committed_at": at(window),
        }  # fmt: skip
        rows.append(row | same)
    return pa.Table.from_pylist(rows, schema=SILVER)


def segments(
    free_flow_speed_kmh: Mapping[str, float],
    zone: str = "UTC",
    source: str = "city",
    edges: Iterable[tuple[str, str]] = (),
) -> pa.Table:
    """Rows of silver.road_segment, as far as the model reads them; an edge leads downstream."""
    names, ids = list(free_flow_speed_kmh), pa.list_(pa.string())
    edges = list(edges)
    return pa.table(
        {
            "segment_id": pa.array(names, pa.string()),
            "source": pa.array([source] * len(names), pa.string()),
            "free_flow_speed_kmh": pa.array(list(free_flow_speed_kmh.values()), pa.float64()),
            "time_zone": pa.array([zone] * len(names), pa.string()),
            "upstream_segment_ids": pa.array([[a for a, b in edges if b == n] for n in names], ids),
            "downstream_segment_ids": pa.array(
                [[b for a, b in edges if a == n] for n in names], ids
            ),
        }
    )


def grid(cells: Iterable[Cell], roads: pa.Table) -> SpeedGrid:
    return SpeedGrid.from_tables(silver(cells), roads, SPECS.ml.label, WINDOW_SECONDS)


def ml_spec(**changes: Any) -> MlSpec:
    """The spec of ml.yaml with other values; nested ones are merged."""

    def merged(old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        both = {
            key: merged(old[key], value) if isinstance(value, Mapping) else value
            for key, value in new.items()
        }
        return old | both

    return MlSpec.model_validate(merged(SPECS.ml.model_dump(), changes))


def feature(kind: str, windows: int = 0, **also: Any) -> MlSpec:
    """A spec of a single feature that looks back three windows at most."""
    only = {"name": "it", "kind": kind, "windows": windows, "description": "Any."} | also
    network = {"lags_windows": [0, 3]}
    return ml_spec(features=[only], history_windows=3, network=network)


MIXED = {"hidden": [8], "shares": [0.5]}
"""A perceptron that answers beside the trees whether that suits the rows or not."""


def small_specs(**changes: Any) -> Specs:
    """Specs whose training takes a blink."""
    trees = {"max_iter": 20, "learning_rate": 0.3, "max_leaf_nodes": 31, "min_samples_leaf": 5}
    perceptron = {"hidden": [8], "shares": [0.0, 0.5]}
    training = {
        "classifier": trees, "regressor": trees, "perceptron": perceptron, "min_rows": 100
    } | changes  # fmt: skip
    spec = ml_spec(training=training, protocol={"bootstrap_samples": 20})
    return dataclasses.replace(SPECS, ml=spec)


NO_NETWORK = NetworkForecast.unknown(SPECS.ml.network, SPECS.ml.horizons_minutes)


def flat_memory(ratio: float = 1.0) -> Memory:
    """Profiles of no segment, with one value at every time, and a network that tells nothing."""
    flat = Profile((), np.empty((3, 0, 336)), np.full((3, 336), ratio), np.full((3, 1), ratio))
    return Memory(flat, flat, NO_NETWORK)


def some_network(names: tuple[str, ...]) -> NetworkForecast:
    """A forecast that looks at everything it may look at."""
    random, spec = np.random.default_rng(7), SPECS.ml.network
    inputs = len(spec.lags_windows) * (1 + spec.modes + 2)
    horizons = SPECS.ml.horizons_minutes
    return NetworkForecast(
        segment_ids=names,
        horizons_minutes=horizons,
        lags=spec.lags_windows,
        modes=np.rint(random.normal(size=(len(names), spec.modes)) * MODE_UNIT),
        links=random.integers(len(names), size=(len(names), 2)),
        weights=random.normal(size=(len(horizons), 2, len(names) + 1, inputs)),
    )


def rush_hours(days: int, names: Iterable[str] = ("a", "b", "c", "d")) -> list[Cell]:
    """Free at 90 km/h; at 30 from 7 to 9, five minutes later on each next segment."""
    return [
        (name, window, 30.0 if 84 + late <= window % 288 < 108 + late else 90.0)
        for late, name in enumerate(names)
        for window in range(days * 288)
    ]

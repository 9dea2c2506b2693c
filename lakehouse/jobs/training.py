"""Silver history to a registered champion."""

import logging
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from lakehouse.tables import Lake

if TYPE_CHECKING:
    from ml.train import Metrics

log = logging.getLogger(__name__)
SILVER, SEGMENTS = "silver.segment_metric", "silver.road_segment"
COLUMNS = ["segment_id", "window_seconds", "window_start", "observation_count"]


def train_champion(lake: Lake, tracking_uri: str) -> "tuple[int, Metrics]":
    """Train on every primary window of silver and make the model champion.

    Returns:
        The version in the registry, and the metrics of the test part by horizon and forecaster.

    Raises:
        WrongInput: silver holds too little to learn from.
        Unavailable: the registry does not answer.
    """
    from ml.registry import register
    from ml.train import train

    specs = lake.specs
    silver, segments = lake.table(SILVER), lake.table(SEGMENTS)
    versions = {table.spec.table: table.refresh() for table in (silver, segments)}
    primary = pc.field("window_seconds") == specs.transforms.primary.size_seconds
    rows = silver.read(columns=[*COLUMNS, specs.ml.label.column], where=primary)
    trained = train(rows, segments.read(), specs)
    version = register(trained, tracking_uri, specs, table_versions=versions)
    log.info("model registered", extra={"facts": {
        "job": "train", "model": specs.ml.model_name, "model_version": version,
        "table_versions": versions,
    }})  # fmt: skip
    return version, trained.metrics

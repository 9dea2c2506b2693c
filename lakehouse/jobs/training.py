"""Silver history to a registered model."""

import logging
from typing import TYPE_CHECKING

from lakehouse.jobs.evaluation import History
from lakehouse.tables import Lake

if TYPE_CHECKING:
    from ml.train import Metrics

log = logging.getLogger(__name__)


def train_model(
    lake: Lake, tracking_uri: str, *, as_champion: bool = False
) -> "tuple[int, Metrics]":
    """Train on every primary window of silver and register the model, see `ml.register`.

    Returns:
        The version in the registry, and the metrics of the test part by horizon and forecaster.

    Raises:
        WrongInput: silver holds too little to learn from.
        Unavailable: the registry does not answer.
    """
    from ml.register import register
    from ml.train import train

    history = History.of_lake(lake)
    trained = train(history.silver, history.segments, lake.specs)
    version = register(
        trained, tracking_uri, lake.specs, table_versions=history.versions, as_champion=as_champion
    )
    log.info("model registered", extra={"facts": {
        "job": "train", "model": lake.specs.ml.model_name, "model_version": version,
        "table_versions": history.versions,
    }})  # fmt: skip
    return version, trained.metrics

"""Puts a trained model into the registry, with everything that it can be traced to."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

from ml.columns import Floats
from ml.mlflow_client import answered, experiment_id, mlflow_module, once
from ml.model import CongestionModel
from ml.model_card import model_card
from ml.registry import (
    CHALLENGER,
    CHAMPION,
    REFRESHED_FROM,
    TRAINED_AT,
    ModelReport,
    alias_versions,
    promote,
    set_alias,
)
from ml.run_record import flat_metrics, params
from ml.stored import TRUSTED_TYPES
from ml.train import TrainedModel
from specs.loader import Specs

REQUIREMENTS = ("holidays", "numpy", "pyarrow", "pydantic", "scikit-learn", "skops", "tzdata")
FAMILY_REQUIREMENTS = {"lightgbm": ("lightgbm",)}


@cache
def code_version() -> str:
    """Version of the package, and a fingerprint of the code that makes features and models."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{installed('traffic-lakehouse')}+{digest.hexdigest()[:12]}"


def register(
    trained: TrainedModel,
    tracking_uri: str,
    specs: Specs,
    *,
    table_versions: Mapping[str, int],
    as_champion: bool = False,
) -> int:
    """Store a model with what it was trained from and return its version.

    The first model is the champion at once; a later one is the challenger and scores in the
    champion's shadow, unless ``as_champion`` puts it first. The alias moves last: a failure before
    it leaves the old champion in place.

    Args:
        trained: the model and its metrics.
        tracking_uri: the MLflow server, or ``sqlite:///`` and a file.
        specs: gives the model's name, the spec version and the retries.
        table_versions: Delta version of each table that was trained from.
        as_champion: whether it replaces a champion there is.

    Raises:
        Unavailable: the registry does not answer.
    """
    tags = _tags(specs, table_versions)
    run = _Run(
        params=params(trained),
        metrics=flat_metrics(trained.metrics) | _of_no_horizon(trained),
        tags=tags,
        card=model_card(specs.ml.model_name, trained, tags),
        example=trained.example,
    )
    version = _store(trained.model, run, tracking_uri, specs)
    if as_champion or CHAMPION not in alias_versions(tracking_uri, specs):
        promote(tracking_uri, specs, version)
    else:
        set_alias(tracking_uri, specs, CHALLENGER, version)
    return version


def register_refreshed(  # noqa: PLR0913  (what the version is traced to)
    model: CongestionModel,
    origin: ModelReport,
    tracking_uri: str,
    specs: Specs,
    *,
    table_versions: Mapping[str, int],
    until: datetime,
) -> int:
    """Store the champion with newer recent days as its own successor and return its version.

    It keeps the figures of the version it was made of, and is champion at once; a rollback still
    leads to the model before, not to the same trees with older days.

    Args:
        model: the renewed model.
        origin: what the registry says of the version it was made of.
        tracking_uri: the MLflow server, or ``sqlite:///`` and a file.
        specs: gives the model's name and the retries.
        table_versions: Delta version of each table that the recent days come from.
        until: the midnight (UTC) that they end at.

    Raises:
        Unavailable: the registry does not answer.
    """
    renewed = {
        REFRESHED_FROM: str(origin.version), TRAINED_AT: origin.trained_at.isoformat(),
        "recent_until": until.isoformat(),
    }  # fmt: skip
    tags = {**origin.tags, **_tags(specs, table_versions), **renewed}
    card = f"{origin.card}\nRecent days renewed up to {until:%Y-%m-%d} UTC.\n"
    run = _Run(origin.params, origin.run_metrics, tags, card, _example_of(model))
    version = _store(model, run, tracking_uri, specs)
    set_alias(tracking_uri, specs, CHAMPION, version)
    return version


@dataclass(frozen=True)
class _Run:
    """What a version leaves in MLflow beside the model."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    card: str
    example: Floats


def _of_no_horizon(trained: TrainedModel) -> dict[str, float]:
    found = {
        "scoring_ms": trained.scoring_ms, "slower_is_likelier": trained.slower_is_likelier
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _tags(specs: Specs, table_versions: Mapping[str, int]) -> dict[str, str]:
    return {"spec_version": specs.version, "code_version": code_version()} | {
        f"delta_version.{table}": str(version) for table, version in table_versions.items()
    }


def _store(model: CongestionModel, run: _Run, tracking_uri: str, specs: Specs) -> int:
    """Log a run with the model and register it; tried once, as a second try would be a second."""
    mlflow = mlflow_module()
    name, retry = specs.ml.model_name, specs.ops.retries.unavailable
    client = mlflow.MlflowClient(tracking_uri)
    experiment = answered(lambda: experiment_id(client, name), retry)
    mlflow.set_tracking_uri(tracking_uri)
    tags = dict(run.tags)

    def store() -> int:
        with mlflow.start_run(experiment_id=experiment, tags=tags):
            mlflow.log_params(dict(run.params))
            mlflow.log_metrics(dict(run.metrics))
            mlflow.log_text(model.spec_json, "ml_spec.json")
            mlflow.log_text(run.card, "model_card.md")
            stored = _log_model(mlflow, model, run.example)
            version = int(mlflow.register_model(stored.model_uri, name, tags=tags).version)
            client.update_model_version(name, str(version), description=run.card)
            return version

    return answered(store, once(retry))


def _example_of(model: CongestionModel) -> Floats:
    """One row [1, 1 + features] of a segment of which nothing is known."""
    nothing = np.full((1, 1 + len(model.spec.features)), np.nan)
    nothing[0, 0] = model.horizons_minutes[0]
    return nothing


def _log_model(mlflow: Any, model: CongestionModel, inputs: Floats) -> Any:
    import pandas as pd
    from mlflow.models import infer_signature

    spec = model.spec
    names = ["horizon_minutes", *(feature.name for feature in spec.features)]
    example = pd.DataFrame(inputs, columns=names)
    needed = (*REQUIREMENTS, *FAMILY_REQUIREMENTS.get(spec.training.family, ()))
    return mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        pip_requirements=[f"{package}=={installed(package)}" for package in sorted(needed)],
        signature=infer_signature(example, model.predict(inputs)),
        input_example=example,
    )

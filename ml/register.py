"""Puts a trained model into the registry, with everything that it can be traced to."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from ml.mlflow_client import answered, experiment_id, mlflow_module, once
from ml.model_card import model_card
from ml.registry import CHALLENGER, CHAMPION, alias_versions, promote, set_alias
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
    mlflow = mlflow_module()
    name, retry = specs.ml.model_name, specs.ops.retries.unavailable
    client = mlflow.MlflowClient(tracking_uri)
    tags = {"spec_version": specs.version, "code_version": code_version()} | {
        f"delta_version.{table}": str(version) for table, version in table_versions.items()
    }
    experiment = answered(lambda: experiment_id(client, name), retry)
    mlflow.set_tracking_uri(tracking_uri)
    card = model_card(name, trained, tags)

    def store() -> int:
        with mlflow.start_run(experiment_id=experiment, tags=tags):
            mlflow.log_params(params(trained))
            mlflow.log_metrics(flat_metrics(trained.metrics))
            mlflow.log_metric("scoring_ms", trained.scoring_ms)
            mlflow.log_text(trained.model.spec_json, "ml_spec.json")
            mlflow.log_text(card, "model_card.md")
            stored = _log_model(mlflow, trained)
            version = int(mlflow.register_model(stored.model_uri, name, tags=tags).version)
            client.update_model_version(name, str(version), description=card)
            return version

    version = answered(store, once(retry))
    if as_champion or CHAMPION not in alias_versions(tracking_uri, specs):
        promote(tracking_uri, specs, version)
    else:
        set_alias(tracking_uri, specs, CHALLENGER, version)
    return version


def _log_model(mlflow: Any, trained: TrainedModel) -> Any:
    import pandas as pd
    from mlflow.models import infer_signature

    spec = trained.model.spec
    names = ["horizon_minutes", *(feature.name for feature in spec.features)]
    example = pd.DataFrame(trained.example, columns=names)
    needed = (*REQUIREMENTS, *FAMILY_REQUIREMENTS.get(spec.training.family, ()))
    return mlflow.sklearn.log_model(
        trained.model,
        name="model",
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        pip_requirements=[f"{package}=={installed(package)}" for package in sorted(needed)],
        signature=infer_signature(example, trained.model.predict(trained.example)),
        input_example=example,
    )

"""The model registry: MLflow, where the alias ``champion`` names the model that scores."""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, TypeVar

from ml.run_record import flat_metrics, nested_metrics, params
from ml.score import LoadedModel
from ml.stored import MODEL_FILE, TRUSTED_TYPES, load_model
from ml.train import TrainedModel
from specs.errors import Unavailable
from specs.loader import Specs
from specs.ops import Retry

ALIAS = "champion"
REQUIREMENTS = ("numpy", "pyarrow", "pydantic", "scikit-learn", "skops")

# MLflow would retry for minutes on its own; `_answered` retries by the policy of ops.yaml.
ENVIRONMENT = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ChampionReport:
    """What the registry says of the champion, or of another version.

    ``metrics[horizon_minutes][forecaster][metric]`` is of the test part of its training.
    """

    name: str
    version: int
    created_at: datetime
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[int, Mapping[str, Mapping[str, float]]]


def register(
    trained: TrainedModel, tracking_uri: str, specs: Specs, *, table_versions: Mapping[str, int]
) -> int:
    """Store a model with what it was trained from, make it the champion and return its version.

    The alias moves last: a failure before it leaves the old champion in place.

    Args:
        trained: the model and its metrics.
        tracking_uri: the MLflow server, or ``sqlite:///`` and a file.
        specs: gives the model's name, the spec version and the retries.
        table_versions: Delta version of each table that was trained from.

    Raises:
        Unavailable: the registry does not answer.
    """
    mlflow = _mlflow()
    name, retry = specs.ml.model_name, specs.ops.retries.unavailable
    client = mlflow.MlflowClient(tracking_uri)
    tags = {"spec_version": specs.version} | {
        f"delta_version.{table}": str(version) for table, version in table_versions.items()
    }
    experiment_id = _answered(lambda: _experiment(client, name), retry)
    mlflow.set_tracking_uri(tracking_uri)

    def store() -> int:
        with mlflow.start_run(experiment_id=experiment_id, tags=tags):
            mlflow.log_params(params(trained))
            mlflow.log_metrics(flat_metrics(trained.metrics))
            mlflow.log_text(trained.model.spec_json, "ml_spec.json")
            stored = _log_model(mlflow, trained)
            return int(mlflow.register_model(stored.model_uri, name, tags=tags).version)

    version = _answered(store, Retry(**(retry.model_dump() | {"attempts": 1})))
    _answered(lambda: client.set_registered_model_alias(name, ALIAS, str(version)), retry)
    return version


def champion_version(tracking_uri: str, specs: Specs) -> int | None:
    """Version of the champion; None only where the alias is not set.

    One small request, for polling.

    Raises:
        Unavailable: the registry does not answer.
    """
    found = _champion(tracking_uri, specs)
    return None if found is None else int(found.version)


def versions(tracking_uri: str, specs: Specs) -> set[tuple[str, int]]:
    """Name and version of every model of ours that the registry holds.

    Raises:
        Unavailable: the registry does not answer.
    """
    client = _mlflow().MlflowClient(tracking_uri)
    query, found, token = f"name = '{specs.ml.model_name}'", set(), None
    while True:
        page = _answered(
            partial(client.search_model_versions, query, page_token=token),
            specs.ops.retries.unavailable,
        )
        found |= {(str(one.name), int(one.version)) for one in page}
        token = page.token
        if not token:
            return found


def champion(tracking_uri: str, specs: Specs) -> LoadedModel | None:
    """Load the champion; None only where the alias is not set.

    Raises:
        Unavailable: the registry does not answer.
        WrongInput: what it holds is no congestion model, or is made of types not trusted.
    """
    found = _champion(tracking_uri, specs)
    if found is None:
        return None
    source = f"models:/{found.name}/{found.version}"
    _mlflow().set_tracking_uri(tracking_uri)  # a `models:` address is looked up at the default one
    with tempfile.TemporaryDirectory() as folder:

        def download() -> str:
            return str(
                _mlflow().artifacts.download_artifacts(
                    artifact_uri=source, dst_path=folder, tracking_uri=tracking_uri
                )
            )

        path = Path(_answered(download, specs.ops.retries.unavailable)) / MODEL_FILE
        table = specs.tables["gold.congestion_scores"]
        created_at = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
        return LoadedModel(found.name, int(found.version), load_model(path), table, created_at)


def show(tracking_uri: str, specs: Specs) -> ChampionReport | None:
    """What the registry says of the champion; None only where the alias is not set.

    Raises:
        Unavailable: the registry does not answer.
    """
    version = champion_version(tracking_uri, specs)
    return None if version is None else version_report(tracking_uri, specs, version)


def version_report(tracking_uri: str, specs: Specs, version: int) -> ChampionReport:
    """What the registry says of a version, be it champion or not.

    Raises:
        Unavailable: the registry does not answer.
    """
    client, name = _mlflow().MlflowClient(tracking_uri), specs.ml.model_name
    retry = specs.ops.retries.unavailable
    found = _answered(lambda: client.get_model_version(name, str(version)), retry)
    run = _answered(lambda: client.get_run(found.run_id), retry)
    return ChampionReport(
        name=found.name,
        version=int(found.version),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        tags=dict(found.tags),
        params=dict(run.data.params),
        metrics=nested_metrics(run.data.metrics),
    )


def _mlflow() -> Any:
    """MLflow, imported on first use (it takes seconds), silent and with one try a request."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    warnings.filterwarnings("ignore", module=r"mlflow\.")  # about its own code, not ours
    import mlflow
    import mlflow.sklearn

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    return mlflow


def _answered(ask: Callable[[], Answer], retry: Retry) -> Answer:
    """Ask the registry, again with growing waits while it does not answer."""
    _mlflow()
    from mlflow.exceptions import MlflowException

    wait = retry.first_wait_seconds
    for attempt in range(1, retry.attempts + 1):
        try:
            return ask()
        except (MlflowException, OSError) as error:
            if isinstance(error, MlflowException) and _is_refusal(error):
                raise
            if attempt == retry.attempts:
                first_line = str(error).splitlines()[0]
                raise Unavailable(f"the model registry does not answer: {first_line}") from error
        time.sleep(wait)
        wait = min(wait * retry.wait_factor, retry.max_wait_seconds)
    raise AssertionError("a retry policy has one attempt or more")


def _is_refusal(error: Any) -> bool:
    """Whether the registry understood and said no; asking again would not help."""
    return bool(error.get_http_status_code() < 500)


def _champion(tracking_uri: str, specs: Specs) -> Any:
    """The champion's model version, or None where there is no such model or alias."""
    mlflow = _mlflow()
    from mlflow.exceptions import MlflowException

    client, name = mlflow.MlflowClient(tracking_uri), specs.ml.model_name

    def ask() -> Any:
        try:
            return client.get_model_version_by_alias(name, ALIAS)
        except MlflowException as error:
            absent = error.error_code == "RESOURCE_DOES_NOT_EXIST"
            if absent or f"alias {ALIAS} not found" in str(error):
                return None
            raise

    return _answered(ask, specs.ops.retries.unavailable)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _log_model(mlflow: Any, trained: TrainedModel) -> Any:
    import pandas as pd
    from mlflow.models import infer_signature

    names = ["horizon_minutes", *(feature.name for feature in trained.model.spec.features)]
    example = pd.DataFrame(trained.example, columns=names)
    return mlflow.sklearn.log_model(
        trained.model,
        name="model",
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        pip_requirements=[f"{package}=={installed(package)}" for package in REQUIREMENTS],
        signature=infer_signature(example, trained.model.predict(trained.example)),
        input_example=example,
    )

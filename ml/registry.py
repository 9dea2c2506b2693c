"""The model registry: MLflow, where aliases name the model that scores and the one that may."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.mlflow_client import answered, mlflow_module
from ml.run_record import nested_metrics
from specs.errors import WrongInput
from specs.loader import Specs

if TYPE_CHECKING:
    from ml.score import LoadedModel

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""Who scores; who scores in its shadow; who scored before, for a rollback."""
TRAINED_AT, REFRESHED_FROM = "trained_at", "refreshed_from"
"""Tags of a version that was not trained but renewed: when its trees were, and its origin."""


@dataclass(frozen=True)
class ModelReport:
    """What the registry says of a version.

    ``metrics[horizon_minutes][forecaster][metric]`` is of the test part of its training;
    ``run_metrics`` has them under flat names, and what is of no horizon, such as ``scoring_ms``.
    """

    name: str
    version: int
    created_at: datetime
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[int, Mapping[str, Mapping[str, float]]]
    run_metrics: Mapping[str, float]
    card: str

    @property
    def trained_at(self) -> datetime:
        """When it was trained (UTC); what only had its recent days renewed is as old as before."""
        return _trained_at(self.tags, self.created_at)


def _trained_at(tags: Mapping[str, str], created_at: datetime) -> datetime:
    told = tags.get(TRAINED_AT)
    return datetime.fromisoformat(told) if told else created_at


def alias_versions(tracking_uri: str, specs: Specs) -> dict[str, int]:
    """Version behind each alias that is set. One small request, for polling.

    Raises:
        Unavailable: the registry does not answer.
    """
    from mlflow.exceptions import MlflowException

    client = mlflow_module().MlflowClient(tracking_uri)

    def ask() -> dict[str, int]:
        try:
            model = client.get_registered_model(specs.ml.model_name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {str(alias): int(version) for alias, version in model.aliases.items()}

    return answered(ask, specs.ops.retries.unavailable)


def champion_version(tracking_uri: str, specs: Specs) -> int | None:
    """Version of the champion; None only where the alias is not set.

    Raises:
        Unavailable: the registry does not answer.
    """
    return alias_versions(tracking_uri, specs).get(CHAMPION)


def versions(tracking_uri: str, specs: Specs) -> set[tuple[str, int]]:
    """Name and version of every model of ours that the registry holds.

    Raises:
        Unavailable: the registry does not answer.
    """
    return {(str(one.name), int(one.version)) for one in _versions(tracking_uri, specs)}


def newest_training(tracking_uri: str, specs: Specs) -> int | None:
    """The newest version that came of a training, be it champion or not; None without any.

    Raises:
        Unavailable: the registry does not answer.
    """
    trained = [
        int(one.version) for one in _versions(tracking_uri, specs) if REFRESHED_FROM not in one.tags
    ]
    return max(trained, default=None)


def _versions(tracking_uri: str, specs: Specs) -> list[Any]:
    """What MLflow says of every model of ours."""
    client = mlflow_module().MlflowClient(tracking_uri)
    query, token = f"name = '{specs.ml.model_name}'", None
    found: list[Any] = []
    while True:
        page = answered(
            partial(client.search_model_versions, query, page_token=token),
            specs.ops.retries.unavailable,
        )
        found += page
        token = page.token
        if not token:
            return found


def resolve(tracking_uri: str, specs: Specs, model: str) -> int:
    """Version that an alias or a number names.

    Raises:
        Unavailable: the registry does not answer.
        WrongInput: there is no such alias or version.
    """
    aliases = alias_versions(tracking_uri, specs)
    known = {version for _, version in versions(tracking_uri, specs)}
    version = int(model) if model.isdecimal() else aliases.get(model)
    if version is None or version not in known:
        raise WrongInput(
            f"no model {model}; the registry has versions {sorted(known)} and aliases "
            f"{', '.join(f'{alias} ({at})' for alias, at in sorted(aliases.items())) or 'none'}"
        )
    return version


def load_version(tracking_uri: str, specs: Specs, version: int) -> "LoadedModel":
    """Load one version.

    Raises:
        Unavailable: the registry does not answer.
        WrongInput: what it holds is no congestion model, or is made of types not trusted.
    """
    from ml.score import LoadedModel
    from ml.stored import MODEL_FILE, load_model

    name = specs.ml.model_name
    mlflow = mlflow_module()
    mlflow.set_tracking_uri(tracking_uri)  # a `models:` address is looked up at the default one
    with tempfile.TemporaryDirectory() as folder:

        def download() -> str:
            return str(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=f"models:/{name}/{version}", dst_path=folder,
                    tracking_uri=tracking_uri,
                )
            )  # fmt: skip

        path = Path(answered(download, specs.ops.retries.unavailable)) / MODEL_FILE
        found: Any = answered(
            lambda: mlflow.MlflowClient(tracking_uri).get_model_version(name, str(version)),
            specs.ops.retries.unavailable,
        )
        created_at = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
        table = specs.tables["gold.congestion_scores"]
        trained_at = _trained_at(found.tags, created_at)
        return LoadedModel(name, version, load_model(path), table, trained_at)


def champion(tracking_uri: str, specs: Specs) -> "LoadedModel | None":
    """Load the champion; None only where the alias is not set.

    Raises:
        Unavailable: the registry does not answer.
        WrongInput: what it holds is no congestion model, or is made of types not trusted.
    """
    version = champion_version(tracking_uri, specs)
    return None if version is None else load_version(tracking_uri, specs, version)


def show(tracking_uri: str, specs: Specs, model: str = CHAMPION) -> ModelReport | None:
    """What the registry says of a version; None only where the alias ``champion`` is not set.

    Raises:
        Unavailable: the registry does not answer.
        WrongInput: there is no such other alias or version.
    """
    if model == CHAMPION and champion_version(tracking_uri, specs) is None:
        return None
    return version_report(tracking_uri, specs, resolve(tracking_uri, specs, model))


def version_report(tracking_uri: str, specs: Specs, version: int) -> ModelReport:
    """What the registry says of a version, be it champion or not.

    Raises:
        Unavailable: the registry does not answer.
    """
    client = mlflow_module().MlflowClient(tracking_uri)
    retry = specs.ops.retries.unavailable
    found: Any = answered(
        lambda: client.get_model_version(specs.ml.model_name, str(version)), retry
    )
    run = answered(lambda: client.get_run(found.run_id), retry)
    return ModelReport(
        name=found.name,
        version=version,
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        tags=dict(found.tags),
        params=dict(run.data.params),
        metrics=nested_metrics(run.data.metrics),
        run_metrics=dict(run.data.metrics),
        card=found.description or "",
    )


def set_alias(tracking_uri: str, specs: Specs, alias: str, version: int | None) -> None:
    """Point an alias at a version; None takes it away.

    Raises:
        Unavailable: the registry does not answer.
    """
    client = mlflow_module().MlflowClient(tracking_uri)
    name, retry = specs.ml.model_name, specs.ops.retries.unavailable
    if version is None:
        answered(lambda: client.delete_registered_model_alias(name, alias), retry)
    else:
        answered(lambda: client.set_registered_model_alias(name, alias, str(version)), retry)


def promote(tracking_uri: str, specs: Specs, version: int) -> int | None:
    """Make a version the champion; returns the one it follows, which `rollback` brings back.

    The alias ``champion`` moves in one request: whoever asks sees the old one or the new one.

    Raises:
        Unavailable: the registry does not answer.
    """
    aliases = alias_versions(tracking_uri, specs)
    before = aliases.get(CHAMPION)
    if before == version:
        return before
    if before is not None:
        set_alias(tracking_uri, specs, PREVIOUS, before)
    set_alias(tracking_uri, specs, CHAMPION, version)
    if aliases.get(CHALLENGER) == version:
        set_alias(tracking_uri, specs, CHALLENGER, None)
    return before


def rollback(tracking_uri: str, specs: Specs) -> tuple[int, int]:
    """Bring the champion's predecessor back; returns both versions, the new champion's first.

    Raises:
        Unavailable: the registry does not answer.
        WrongInput: there is no champion, or none before it.
    """
    aliases = alias_versions(tracking_uri, specs)
    if CHAMPION not in aliases or PREVIOUS not in aliases:
        raise WrongInput("no model was champion before this one; `traffic model promote` names one")
    set_alias(tracking_uri, specs, CHAMPION, aliases[PREVIOUS])
    set_alias(tracking_uri, specs, PREVIOUS, None)
    return aliases[PREVIOUS], aliases[CHAMPION]

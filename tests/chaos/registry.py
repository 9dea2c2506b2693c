"""A model registry in one SQLite file, with two versions of one small model."""

import math
from pathlib import Path

from ml.register import register
from ml.registry import CHAMPION
from ml.train import train
from specs.loader import load_specs


def registry(folder: Path) -> str:
    """Address of the registry in ``folder``, made where it is absent; version 1 is the champion."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    if not (folder / "whole").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _experiment(uri, load_specs().ml.model_name, folder / "artifacts")
        register_small(uri, times=2)
        (folder / "whole").touch()
    crown(uri, 1)
    return uri


def register_small(uri: str, times: int = 1) -> None:
    """Train one small model and register it so many times; the last version is the champion."""
    from tests.unit.ml.tables import segments, silver, small_specs

    roads = segments({"a": 100.0, "b": 100.0})
    waves = [
        (name, window, 60 + 35 * math.sin(window / period))
        for name, period in (("a", 7), ("b", 11))
        for window in range(10 * 288)
    ]
    model = train(silver(waves), roads, small_specs())
    for _ in range(times):
        register(model, uri, load_specs(), table_versions={}, as_champion=True)


def _experiment(uri: str, name: str, artifacts: Path) -> None:
    """Have the models below ``artifacts``; else MLflow puts them where the program was started."""
    import mlflow

    client = mlflow.MlflowClient(uri)
    if client.get_experiment_by_name(name) is None:
        client.create_experiment(name, artifact_location=artifacts.as_uri())


def crown(uri: str, version: int) -> None:
    """Make ``version`` the champion."""
    import mlflow

    client = mlflow.MlflowClient(uri)
    client.set_registered_model_alias(load_specs().ml.model_name, CHAMPION, str(version))

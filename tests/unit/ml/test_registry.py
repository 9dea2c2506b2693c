import dataclasses
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.isotonic import IsotonicRegression

from ml import registry
from ml.mlflow_client import mlflow_module
from ml.model import CongestionModel
from ml.register import code_version, register
from ml.stored import TRUSTED_TYPES, load_model
from ml.train import TrainedModel, train
from specs.errors import Unavailable, WrongInput
from specs.ops import Retry
from tests.unit.ml.tables import MIXED, SPECS, rush_hours, segments, silver, small_specs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    roads = segments({"a": 100.0, "b": 100.0})
    return train(silver(rush_hours(10, "ab")), roads, small_specs())


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry in a file, whose artifacts stay beside it."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow = mlflow_module()
    client = mlflow.MlflowClient(uri)
    client.create_experiment(SPECS.ml.model_name, artifact_location=f"{folder}/artifacts")
    return uri


def test_a_registered_model_comes_back_as_the_champion(uri: str, trained: TrainedModel) -> None:
    assert registry.champion(uri, SPECS) is None
    assert registry.champion_version(uri, SPECS) is None

    version = register(trained, uri, SPECS, table_versions={"silver.segment_metric": 42})

    assert registry.champion_version(uri, SPECS) == version == 1
    loaded = registry.champion(uri, SPECS)
    assert loaded is not None
    assert (loaded.name, loaded.version) == ("congestion", 1)
    np.testing.assert_array_equal(
        loaded.model.predict(trained.example), trained.model.predict(trained.example)
    )
    report = registry.show(uri, SPECS)
    assert report is not None
    assert report.metrics == {
        horizon: {
            name: {metric: value for metric, value in measures.items() if value is not None}
            for name, measures in forecasters.items()
        }
        for horizon, forecasters in trained.metrics.items()
    }  # the registry holds no undefined ones, such as the coverage of a baseline
    assert report.tags == {
        "spec_version": SPECS.version, "code_version": code_version(),
        "delta_version.silver.segment_metric": "42",
    }  # fmt: skip
    assert report.params["test_to"] == trained.split.end.isoformat()


def test_a_registry_that_does_not_answer_is_unavailable() -> None:
    soon = Retry(attempts=2, first_wait_seconds=0, wait_factor=1, max_wait_seconds=0)
    retries = SPECS.ops.retries.model_copy(update={"unavailable": soon})
    ops = SPECS.ops.model_copy(update={"retries": retries})
    with pytest.raises(Unavailable, match="does not answer"):
        registry.champion("http://127.0.0.1:9", dataclasses.replace(SPECS, ops=ops))


class Stranger:
    """A type that no model of ours is made of."""

    def __init__(self) -> None:
        self.payload = "x"


def test_a_model_with_a_part_of_another_type_is_not_loaded(tmp_path: Path) -> None:
    model = CongestionModel("{}", 300, Stranger())  # type: ignore[arg-type]
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(WrongInput, match=r"(?s)cannot load .*Stranger"):
        load_model(tmp_path / "model.skops")


def test_another_estimator_is_no_congestion_model(tmp_path: Path) -> None:
    skops.io.dump(IsotonicRegression(), tmp_path / "model.skops")
    with pytest.raises(WrongInput, match="IsotonicRegression"):
        load_model(tmp_path / "model.skops")


def test_what_a_model_is_made_of_is_trusted_and_nothing_more(tmp_path: Path) -> None:
    roads = segments({"a": 100.0, "b": 100.0})
    mixed = small_specs(perceptron=MIXED)
    skops.io.dump(train(silver(rush_hours(10, "ab")), roads, mixed).model, tmp_path / "model.skops")
    types = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert set(types) | {"ml.families.LightGbmTrees"} == set(TRUSTED_TYPES)


def test_a_model_of_either_family_comes_back_as_it_was(tmp_path: Path) -> None:
    roads = segments({"a": 100.0, "b": 100.0})
    for family in ("hist_gradient_boosting", "lightgbm"):
        made = train(silver(rush_hours(10, "ab")), roads, small_specs(family=family))
        skops.io.dump(made.model, tmp_path / "model.skops")
        again = load_model(tmp_path / "model.skops")
        np.testing.assert_array_equal(again.predict(made.example), made.model.predict(made.example))
        brier = {name: one["brier"] for name, one in made.metrics[15].items()}
        assert brier["model"] is not None
        assert brier["persistence"] is not None
        assert brier["model"] < brier["persistence"]

"""Outcomes, rollback and promotion on a lake and a registry in files."""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

from lakehouse.commands.model import app as model_commands
from lakehouse.commit import Note
from lakehouse.jobs.drift import live_drift, watch_drift
from lakehouse.jobs.model_guard import ModelGuard
from lakehouse.jobs.model_watch import ModelWatch
from lakehouse.jobs.outcomes import Outcomes
from lakehouse.jobs.refresh import refresh_champion
from lakehouse.metrics import Metrics
from lakehouse.tables import Lake
from ml import registry
from ml.mlflow_client import mlflow_module
from ml.promotion import verdict
from ml.register import register
from ml.train import TrainedModel, train
from specs.errors import WrongInput
from specs.loader import Specs
from tests.unit.ml.tables import SPECS, at, ml_spec, rush_hours, segments, silver, small_specs

pytestmark = pytest.mark.slow

NOTE = Note(job="test", spec_version="v")
SILVER, SCORES = "silver.segment_metric", "gold.congestion_scores"
SHADOW = "gold.shadow_score"
ROADS = segments({"a": 100.0, "b": 100.0})


@pytest.fixture(scope="module")
def specs() -> Specs:
    few = {"min_outcomes": 10}
    spec = ml_spec(rollback=few, promotion=few | {"min_blocks": 2, "block_hours": 1})
    return dataclasses.replace(SPECS, ml=spec)


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return train(silver(rush_hours(10, "ab")), ROADS, small_specs())


@pytest.fixture
def lake(tmp_path: Path, specs: Specs) -> Lake:
    """A day of silver and its road segments."""
    made = Lake(tmp_path / "lake", specs, Metrics(specs.ops, "stream"))
    made.table(SILVER).merge(silver(rush_hours(1, "ab"), is_final=True), NOTE)
    table = made.table("silver.road_segment")
    full = {"name": None, "polyline": None, "length_m": None, "interval_seconds": 300}
    rows = [row | full for row in ROADS.to_pylist()]
    table.merge(pa.Table.from_pylist(rows, schema=table.schema), NOTE)
    return made


def told(lake: Lake, name: str) -> dict[str, float]:
    """What Prometheus is told of a metric, by its labels as it writes them."""
    lines = [line.rpartition(" ") for line in lake.metrics.text().decode().splitlines()]
    return {
        series.removeprefix(name): float(value) for series, _, value in lines
        if series.partition("{")[0] == name
    }  # fmt: skip


def score(lake: Lake, name: str, probability: list[float], version: int) -> None:
    """Scores of segment a from 06:00 on, 15 minutes ahead."""
    told = [("a", 72 + number, said) for number, said in enumerate(probability)]
    score_all(lake, name, told, version)


def score_all(
    lake: Lake, name: str, probability: list[tuple[str, int, float]], version: int
) -> None:
    """Scores, 15 minutes ahead, of segments and windows."""
    rows: list[dict[str, Any]] = [
        {
            "segment_id": segment_id, "source": "city", "window_start": at(number),
            "window_date": at(number).date(), "horizon_minutes": 15, "target_start": at(number + 3),
            "congestion_probability": said, "speed_kmh_predicted": 60.0, "speed_kmh_low": 40.0,
            "speed_kmh_high": 80.0, "model_name": "congestion", "model_version": version,
            "is_final": True, "revision": 0, "kafka_timestamp_max": at(number),
            "scored_at": datetime(2018, 3, 20, tzinfo=UTC),
        }
        for segment_id, number, said in probability
    ]  # fmt: skip
    table = lake.table(name)
    table.merge(pa.Table.from_pylist(rows, schema=table.schema), NOTE)


def test_outcomes_are_filled_once_and_again_where_a_score_has_changed(lake: Lake) -> None:
    score(lake, SCORES, [0.1] * 20, version=1)
    outcomes = Outcomes(lake)
    assert outcomes.fill() == 20
    assert outcomes.fill() == 0
    score(lake, SCORES, [0.1] * 19 + [0.9], version=1)
    assert outcomes.fill() == 1
    live = outcomes.live(24)
    assert live[1].quality[15].row_count == 20


def test_scores_that_come_behind_the_newest_outcome_have_theirs_too(lake: Lake) -> None:
    # Traffic jams from 07:00 on, so of the scores of 06:00 to 06:40 the last three do.
    lake.table(SILVER).merge(silver(rush_hours(3, "ab"), is_final=True), NOTE)
    two_days_later = [("a", 2 * 288 + 72, 0.1)]
    score_all(lake, SCORES, two_days_later, version=1)
    outcomes = Outcomes(lake)
    assert outcomes.fill() == 1
    score(lake, SCORES, [0.1] * 12, version=1)  # a backfill of the first day
    assert outcomes.fill() == 12
    assert Outcomes(lake).fill() == 0


def test_a_corrected_observation_changes_outcomes_of_long_ago(lake: Lake) -> None:
    lake.table(SILVER).merge(silver(rush_hours(3, "ab"), is_final=True), NOTE)
    score_all(lake, SCORES, [("a", 286, 0.1), ("a", 2 * 288 + 72, 0.1)], version=1)
    outcomes = Outcomes(lake)
    assert outcomes.fill() == 2
    after_midnight = silver([("a", 289, 21.0)], is_final=True)  # target of the day before
    lake.table(SILVER).merge(after_midnight, NOTE)
    assert outcomes.fill() == 1
    table = lake.table("gold.score_outcome")
    told = table.read(columns=["window_start", "speed_kmh_observed", "is_congested"])
    assert {row["window_start"]: row["speed_kmh_observed"] for row in told.to_pylist()}[
        at(286)
    ] == 21.0


def test_outcomes_are_found_without_the_log_of_what_changed(lake: Lake) -> None:
    score(lake, SCORES, [0.1] * 2, version=1)
    outcomes = Outcomes(lake)
    assert outcomes.fill() == 2
    score(lake, SCORES, [0.9] * 3, version=1)
    for folder in (lake.folder(SCORES), lake.folder(SILVER)):
        newest = max((folder / "_delta_log").glob("*.json"))
        DeltaTable(folder).create_checkpoint()
        newest.unlink()
    assert Outcomes(Lake(lake.root, lake.specs)).fill() == 3


def test_nothing_is_committed_where_nothing_has_come(lake: Lake) -> None:
    score(lake, SCORES, [0.1] * 2, version=1)
    outcomes, table = Outcomes(lake), lake.table("gold.score_outcome")
    outcomes.fill()
    before = table.refresh()
    assert outcomes.fill() == 0
    assert table.refresh() == before
    score(lake, SCORES, [0.1] * 2, version=1)  # the same again
    assert outcomes.fill() == 0
    assert outcomes.fill() == 0
    assert table.refresh() == before + 1, "only how far it has come"


def test_a_score_waits_until_its_target_is_final(lake: Lake) -> None:
    open_still = silver([("a", 75, 30.0)], is_final=False)
    lake.table(SILVER).merge(open_still, NOTE)
    score(lake, SCORES, [0.1] * 5, version=1)
    assert Outcomes(lake).fill() == 4


def test_shadow_scores_are_judged_on_the_champion_s_rows(lake: Lake) -> None:
    # Traffic jams from 07:00: until 09:00: 9 targets before that flow, 24 jam and 3 flow.
    score(lake, SCORES, [0.5] * 36, version=1)
    score(lake, SHADOW, [0.0] * 9 + [1.0] * 15 + [0.9] * 9 + [0.0] * 3, version=2)
    outcomes = Outcomes(lake)
    outcomes.fill()
    found = outcomes.duel(2)
    assert (found.row_count, found.brier_champion) == (36, 0.25)
    assert found.brier_challenger == pytest.approx(0.01 * 9 / 36)
    rule = lake.specs.ml.promotion
    assert verdict(found, 100.0, rule).is_better
    assert not verdict(outcomes.duel(3), 100.0, rule).is_better


@pytest.fixture
def uri(tmp_path: Path) -> str:
    folder = tmp_path / "registry"
    folder.mkdir()
    uri = f"sqlite:///{folder}/mlflow.db"
    client = mlflow_module().MlflowClient(uri)
    client.create_experiment(SPECS.ml.model_name, artifact_location=f"{folder}/artifacts")
    return uri


def test_a_champion_worse_than_persistence_makes_way_for_the_one_before(
    lake: Lake, uri: str, specs: Specs, trained: TrainedModel
) -> None:
    first = register(trained, uri, specs, table_versions={})
    assert registry.alias_versions(uri, specs) == {"champion": first}
    second = register(trained, uri, specs, table_versions={})
    assert registry.alias_versions(uri, specs) == {"champion": first, "challenger": second}
    assert registry.promote(uri, specs, second) == first
    assert registry.alias_versions(uri, specs) == {"champion": second, "previous": first}

    score(lake, SCORES, [1.0] * 9 + [0.0] * 27, version=second)
    watching = ModelGuard(lake, uri).look(act=False)
    assert watching.must_go is not None
    assert watching.rolled_back_to is None
    assert told(lake, "traffic_model_rollbacks_total") == {"": 0.0}
    acting = ModelGuard(lake, uri).look()
    assert acting.rolled_back_to == first
    assert told(lake, "traffic_model_rollbacks_total") == {"": 1.0}
    assert registry.alias_versions(uri, specs) == {"champion": first}
    with pytest.raises(WrongInput, match="no model was champion before"):
        registry.rollback(uri, specs)

    drift = live_drift(lake, uri)
    assert set(drift) == {"label", *(feature.name for feature in trained.model.spec.features)}

    models = ModelWatch(uri, specs, 60)
    watch_drift(lake, models)
    models.close()
    labelled = {f'{{feature="{name}"}}': pytest.approx(value) for name, value in drift.items()}
    assert told(lake, "traffic_feature_drift") == labelled

    third, origin = refresh_champion(lake, uri)
    assert origin == first
    assert registry.champion_version(uri, specs) == third
    report = registry.show(uri, specs)
    assert report is not None
    assert report.tags["refreshed_from"] == str(first)
    origin_report = registry.version_report(uri, specs, first)
    assert report.trained_at == origin_report.created_at < report.created_at
    assert registry.load_version(uri, specs, third).trained_at == report.trained_at
    assert registry.newest_training(uri, specs) == second
    renewed = registry.load_version(uri, specs, third).model
    np.testing.assert_array_equal(
        renewed.classifiers[15].predict(trained.example[:, 1:]),
        trained.model.classifiers[15].predict(trained.example[:, 1:]),
    )
    with pytest.raises(WrongInput, match="no model 9; the registry has versions"):
        registry.resolve(uri, specs, "9")


Promote = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def promote(tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> Promote:
    """`traffic model promote` by the shipped specs; its exit code and what it says."""
    monkeypatch.setenv("TRAFFIC_HOME", str(tmp_path))
    monkeypatch.setenv("TRAFFIC_MLFLOW_URI", uri)

    def run(*options: str) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(model_commands, ["promote", "--json", *options])
        return done.exit_code, json.loads(done.stdout)

    return run


def test_without_a_challenger_nothing_is_promoted_and_that_is_no_failure(promote: Promote) -> None:
    none = {"model_version": None, "promoted": False, "reasons": ["no model is challenger"]}
    assert promote() == (0, none)
    assert promote("--exit-code") == (3, none)


def test_a_challenger_is_promoted_when_it_has_shown_enough(
    lake: Lake, uri: str, specs: Specs, trained: TrainedModel, promote: Promote
) -> None:
    champion = register(trained, uri, specs, table_versions={})
    challenger = register(trained, uri, specs, table_versions={})
    code, told = promote("--exit-code")
    assert (code, told["promoted"], told["model_version"]) == (3, False, challenger)
    assert told["reasons"][0] == "0 live outcomes of both; 5000 are asked for"
    assert registry.champion_version(uri, specs) == champion

    names = [f"s{number:02d}" for number in range(10)]
    rows = silver(rush_hours(2, names), is_final=True)
    lake.table(SILVER).merge(rows, NOTE)
    happened = {
        (row["segment_id"], row["window_start"]): float(row["is_congested"])
        for row in rows.to_pylist()
    }
    scored = [(name, number) for name in names for number in range(2 * 288 - 3)]
    shadow = [happened[name, at(number + 3)] for name, number in scored]
    score_all(lake, SCORES, [(*one, 0.5) for one in scored], champion)
    score_all(lake, SHADOW, [(*one, said) for one, said in zip(scored, shadow, strict=True)],
              challenger)  # fmt: skip
    code, told = promote("--exit-code")
    assert (code, told["promoted"], told["reasons"]) == (0, True, [])
    assert (told["model_version"], told["previous_version"]) == (challenger, champion)
    assert told["duel"]["row_count"] == len(scored) > 5000
    assert registry.alias_versions(uri, specs) == {"champion": challenger, "previous": champion}

"""What an edit of the specs means: compatible, needs recompute, breaking; and what follows."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lakehouse.commands.specs import app
from specs.consequences import changes, steps
from specs.difference import ABSENT, Edit, contents, edits
from specs.effects import STEPS, Meaning, effect_of
from specs.errors import SpecError, WrongInput
from specs.loader import SPECS_FOLDER, Specs, load_specs
from specs.rule_change import is_looser
from specs.rules import Between, InSet, NotAfter, RowRule
from tests.edited_specs import Edit as TextEdit
from tests.edited_specs import edited_folder, edited_specs

BRONZE = "schemas/tables/bronze.traffic_event.yaml"
SCORES = "schemas/tables/gold.congestion_scores.yaml"
EVENT = "schemas/topics/traffic_event.v1.yaml"
PROFILE = "schemas/views/gold.hour_of_week_profile.yaml"
C, R, B = Meaning.COMPATIBLE, Meaning.RECOMPUTE, Meaning.BREAKING

MEANT: dict[str, tuple[TextEdit, Meaning, set[str]]] = {
    "a description": (
        (BRONZE, 'description: "Kafka partition."', 'description: "Partition."'), C, set()),
    "a watermark": (
        ("transforms.yaml", "watermark_seconds: 600", "watermark_seconds: 900"), C, {"restart"}),
    "a window": (
        ("transforms.yaml", "size_seconds: 900", "size_seconds: 1800"), R,
        {"restart", "silver", "model", "gold"}),
    "a congestion level": (
        ("transforms.yaml", "level: heavy, below: 0.6", "level: heavy, below: 0.5"), R,
        {"restart", "silver"}),
    "a network KPI": (
        ("transforms.yaml", "sum(delay_s)", "sum(delay_s) / 60"), R, {"restart", "gold"}),
    "the label": (
        ("ml.yaml", "congested_below_ratio: 0.6", "congested_below_ratio: 0.5"), R,
        {"restart", "silver", "model", "gold"}),
    "a feature": (
        ("ml.yaml", "kind: stddev, windows: 12", "kind: stddev, windows: 9"), R,
        {"model", "restart", "gold"}),
    "one more horizon": (
        ("ml.yaml", "minutes: [15, 30, 60]", "minutes: [15, 30, 45, 60]"), R,
        {"model", "restart", "gold"}),
    "one horizon less": (
        ("ml.yaml", "minutes: [15, 30, 60]", "minutes: [15, 60]"), B,
        {"model", "restart", "gold"}),
    "a looser rule of bronze": (
        (BRONZE, "max: 250, reason", "max: 300, reason"), C, {"restart", "replay"}),
    "a stricter rule of bronze": (
        (BRONZE, "max: 250, reason", "max: 200, reason"), B, {"restart"}),
    "a stricter rule of gold": (
        (SCORES, "min: 1, max: 1440", "min: 5, max: 1440"), C, {"restart"}),
    "a shorter retention": (
        ("ops.yaml", "gold.score_outcome: {days: 1100}", "gold.score_outcome: {days: 10}"), B,
        set()),
    "a longer retention": (
        ("ops.yaml", "gold.score_outcome: {days: 1100}", "gold.score_outcome: {days: 2000}"), C,
        {"restart"}),
    "smaller values": (
        ("ops.yaml", "max_value_bytes: 65536", "max_value_bytes: 4096"), B, {"topics", "restart"}),
    "larger values": (
        ("ops.yaml", "max_value_bytes: 65536", "max_value_bytes: 131072"), C,
        {"topics", "restart", "replay"}),
    "values less deep": (
        ("ops.yaml", "max_json_depth: 32", "max_json_depth: 8"), B, {"restart"}),
    "more headers": (
        ("ops.yaml", "max_headers: 100", "max_headers: 200"), C, {"restart", "replay"}),
    "a weaker promise": (
        ("system.yaml", "metric: p95_seconds, at_most: 2.0", "metric: p95_seconds, at_most: 3.0"),
        B, {"restart"}),
    "a stronger promise": (
        ("system.yaml", "metric: p95_seconds, at_most: 2.0", "metric: p95_seconds, at_most: 1.0"),
        C, {"restart"}),
    "a metric without a label": (
        ("ops.yaml", "name: traffic_rows_written_total, type: counter, by: [lander, stream],"
         " labels: [table, job]", "name: traffic_rows_written_total, type: counter,"
         " by: [lander, stream], labels: [table]"), B, {"restart"}),
    "a user who sees less": (
        ("access.yaml", "user: analyst, schemas: [silver, gold]", "user: analyst, schemas: [gold]"),
        B, {"views"}),
    "a view's query": (
        (PROFILE, "speed_kmh_mean IS NOT NULL", "speed_kmh_mean > 0"), C, {"views"}),
    "a view's column of another name": (
        (PROFILE, "name: hour_of_day,", "name: hour,"), B, {"views"}),
    "a city's unit": (
        ("sources/nyc_dot.yaml", "column: speed_mph, unit: mph", "column: speed_mph, unit: km/h"),
        R, {"restart", "silver", "gold"}),
    "a city's interval": (
        ("sources/nyc_dot.yaml", "interval_seconds: 300", "interval_seconds: 60"), R,
        {"segments", "silver", "model", "gold"}),
    "a column of another type": (
        (SCORES, "name: model_version, type: integer", "name: model_version, type: long"), B,
        set()),
    "a version that is out": (
        (EVENT, "unit: vehicles, required: false", "unit: cars, required: false"), B, set()),
}  # fmt: skip


@pytest.mark.parametrize("what", MEANT)
def test_an_edit_means_what_follows_from_it(what: str, tmp_path: Path, specs: Specs) -> None:
    edit, meaning, wanted = MEANT[what]
    found = changes(specs, edited_specs(tmp_path, edit))
    assert max(change.effect.meaning for change in found) == meaning
    assert {step for change in found for step in change.effect.steps} == wanted
    if len(found) > 1:
        assert found[0].effect.meaning == meaning


def test_nothing_changed_is_no_change(specs: Specs) -> None:
    assert edits(specs, load_specs()) == []
    assert changes(specs, load_specs()) == []


def leaves(path: str, value: Any) -> Iterator[str]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(f"{path}.{key}" if path else key, item)
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from leaves(f"{path}[x]", item)


def test_every_place_of_every_spec_has_a_meaning(specs: Specs) -> None:
    count = 0
    for file, content in contents(specs).items():
        if file.startswith(("schemas/tables", "schemas/topics")):
            continue  # judged by their structure
        for path in leaves("", content):
            for old, new in ((1, 2), (ABSENT, 1), (1, ABSENT)):
                assert set(effect_of(Edit(file, path, old, new)).steps) <= set(STEPS)
                count += 1
    assert count > 1000


def test_the_order_of_a_list_counts(tmp_path: Path, specs: Specs) -> None:
    status = "  - {level: severe, below: 0.4}\n  - {level: heavy, below: 0.6}\n"
    rules = '    - {value: carried_forward, when: "vehicle_count = 0"}\n'
    missing = '    - {value: missing, when: "speed_kmh IS NULL OR speed_kmh <= 0"}\n'
    edited = edited_specs(
        tmp_path, ("sources/aarhus.yaml", rules + missing, missing + rules),
        ("transforms.yaml", status, status),
    )  # fmt: skip
    (found,) = edits(specs, edited)
    assert (found.file, found.path) == ("sources/aarhus.yaml", "readings.status")


def test_steps_come_in_the_order_in_which_they_are_run(tmp_path: Path, specs: Specs) -> None:
    found = changes(specs, edited_specs(tmp_path, MEANT["the label"][0]))
    assert [text.split()[0:3] for text in steps(found)] == [
        ["restart", "lander,", "stream"], ["traffic", "silver", "recompute"],
        ["traffic", "model", "train,"], ["traffic", "gold", "recompute"],
    ]  # fmt: skip


def test_a_city_that_comes_is_compatible_and_one_that_goes_is_not(
    tmp_path: Path, specs: Specs
) -> None:
    folder = edited_folder(tmp_path)
    (folder / "sources/metr_la.yaml").unlink()
    fewer = load_specs(folder)
    (gone,), (new,) = changes(specs, fewer), changes(fewer, specs)
    assert (gone.where, gone.what, gone.effect.meaning) == ("sources/metr_la.yaml", "removed", B)
    assert (new.what, new.effect.meaning, new.effect.steps) == ("added", C, ("segments",))


def between(low: float | None, high: float | None) -> RowRule:
    return Between(id="r", kind="between", column="x", min=low, max=high)


@pytest.mark.parametrize(("old", "new", "looser"), [
    (None, between(0, 1), False), (between(0, 1), None, True),
    (between(0, 1), between(0, 1), True), (between(0, 1), between(0, 2), True),
    (between(0, 1), between(0.5, 2), False), (between(0, 1), between(0, None), True),
    (between(None, 1), between(0, 1), False),
    (InSet(id="r", kind="in_set", column="x", values=(1, 2)),
     InSet(id="r", kind="in_set", column="x", values=(1, 2, 3)), True),
    (InSet(id="r", kind="in_set", column="x", values=(1, 2)),
     InSet(id="r", kind="in_set", column="x", values=(2, 3)), False),
    (NotAfter(id="r", kind="not_after", column="x", than="y", plus_seconds=60),
     NotAfter(id="r", kind="not_after", column="x", than="y", plus_seconds=30), False),
    (NotAfter(id="r", kind="not_after", column="x", than="y"),
     NotAfter(id="r", kind="not_after", column="x", than="z", plus_seconds=9), False),
    (between(0, 1), InSet(id="r", kind="in_set", column="x", values=(1, 2)), False),
])  # fmt: skip
def test_a_rule_is_looser_if_it_lets_through_all_that_it_did(
    old: RowRule | None, new: RowRule | None, looser: bool
) -> None:
    assert is_looser(old, new) is looser


def test_the_command_tells_meaning_steps_and_files(tmp_path: Path) -> None:
    folder = edited_folder(tmp_path, MEANT["a stricter rule of bronze"][0])
    done = CliRunner().invoke(app, ["diff", str(SPECS_FOLDER), str(folder), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["meaning"] == "breaking"
    assert told["changes"] == [{
        "where": f"{BRONZE}: rule speed_in_range", "what": "stricter, or another rule",
        "meaning": "breaking", "why": "records that landed are refused from now on",
    }]  # fmt: skip
    assert "contracts/topics/traffic_event.v1.schema.json" in told["files"]
    assert "tests/cases/rows/bronze.traffic_event.json" in told["files"]
    assert not any("gold" in path for path in told["files"])


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Commits edited specs to a repository of their own and gives their folder."""

    def commit(*edits: TextEdit) -> Path:
        folder = edited_folder(tmp_path, *edits)
        (tmp_path / "pyproject.toml").touch()
        who = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
        for arguments in (["init"], ["add", "specs"], [*who, "commit", "-m", "before"]):
            subprocess.run(
                ["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True
            )
        monkeypatch.setattr("lakehouse.spec_revision.REPOSITORY", tmp_path)
        return folder

    return commit


def test_the_command_knows_git_revisions(committed: Callable[..., Path]) -> None:
    folder = committed(MEANT["a window"][0])
    text = (folder / "ops.yaml").read_text()
    (folder / "ops.yaml").write_text(text.replace("sample_rows: 2000", "sample_rows: 4000"))
    done = CliRunner().invoke(app, ["diff", "HEAD", str(folder)])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(
        "ops.yaml: gates.sample_rows: 2000 -> 4000\n    compatible: how it is run; no row changes\n"
    )
    same = CliRunner().invoke(app, ["diff", "HEAD", "HEAD"])
    assert same.stdout == "no difference\n"


def test_a_revision_that_other_code_read_is_told_as_such(committed: Callable[..., Path]) -> None:
    folder = committed(("ml.yaml", "model_name: congestion", "name: congestion"))
    done = CliRunner().invoke(app, ["diff", "HEAD", str(folder)])
    assert isinstance(done.exception, SpecError)
    assert str(done.exception).startswith(
        "revision HEAD was read by other code than this one: ml.yaml: model_name: Field required"
    )


@pytest.mark.parametrize("place", ["no-such-revision", "--output=x", "HEAD:README.md"])
def test_what_is_neither_folder_nor_revision_is_wrong_input(place: str) -> None:
    done = CliRunner().invoke(app, ["diff", "--", place])
    assert isinstance(done.exception, WrongInput)
    assert "is neither a folder of specs nor a revision" in str(done.exception)

"""A spec file that is absent, unreadable or misspelt is refused, with its name and the field."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from specs.errors import SpecError
from specs.loader import SPECS_FOLDER, load_file, load_specs
from specs.ml import MlSpec
from specs.ops import OpsSpec
from specs.sources import SourceSpec
from specs.system import SystemSpec
from specs.tables import TableSpec, TopicSpec
from specs.transforms import TransformSpec
from specs.views import Access, ViewSpec
from tests.edited_specs import edited_folder, edited_specs

MODELS: dict[str, type[BaseModel]] = {
    "system": SystemSpec, "transforms": TransformSpec, "ml": MlSpec, "ops": OpsSpec,
    "tables": TableSpec, "topics": TopicSpec, "sources": SourceSpec,
    "views": ViewSpec, "access": Access,
}  # fmt: skip
"""By the file's name, or by its folder's."""

FILES = sorted(path.relative_to(SPECS_FOLDER).as_posix() for path in SPECS_FOLDER.rglob("*.yaml"))
Place = tuple[str | int, ...]


def model_of(file: str) -> type[BaseModel]:
    path = Path(file)
    return MODELS[path.parent.name or path.stem]


def objects(node: Any, place: Place = ()) -> Iterator[Place]:
    """Place of every mapping in a file; of a list's alike items only the first."""
    if isinstance(node, dict):
        yield place
        for key, value in node.items():
            yield from objects(value, (*place, key))
    elif isinstance(node, list):
        seen = set()
        for index, item in enumerate(node):
            shape = (frozenset(item), item.get("kind")) if isinstance(item, dict) else None
            if shape not in seen:
                seen.add(shape)
                yield from objects(item, (*place, index))


def with_misspelt_key(content: Any, place: Place) -> Any:
    changed = copy.deepcopy(content)
    node = changed
    for step in place:
        node = node[step]
    node["misspelt"] = 1
    return changed


@pytest.mark.parametrize("file", FILES)
def test_a_misspelt_key_is_refused_wherever_it_stands(file: str, tmp_path: Path) -> None:
    content = yaml.safe_load((SPECS_FOLDER / file).read_text())
    places = list(objects(content))
    assert places[0] == ()
    wrong = tmp_path / "wrong.yaml"
    for place in places:
        wrong.write_text(yaml.dump(with_misspelt_key(content, place), Dumper=yaml.CSafeDumper))
        # A tagged union puts its tag into the field's address, as in rules.0.between.misspelt.
        address = r"\.(\w+\.)?".join(re.escape(str(step)) for step in (*place, "misspelt"))
        with pytest.raises(SpecError, match=re.escape(str(wrong)) + ": (.*; )?" + address):
            load_file(wrong, model_of(file))


def test_every_offending_field_is_named_at_once(tmp_path: Path) -> None:
    folder = edited_folder(
        tmp_path,
        ("transforms.yaml", "watermark_seconds: 600", "watermark_seconds: soon"),
        ("transforms.yaml", "bins: 32", "bins: 97"),
    )
    with pytest.raises(SpecError) as refused:
        load_specs(folder)
    message = str(refused.value)
    assert message.startswith(f"{folder / 'transforms.yaml'}: watermark_seconds: ")
    assert "; histogram.bins: " in message


@pytest.mark.parametrize("file", ["system.yaml", "transforms.yaml", "ml.yaml", "ops.yaml"])
def test_an_absent_file_is_named(file: str, tmp_path: Path) -> None:
    folder = edited_folder(tmp_path)
    (folder / file).unlink()
    with pytest.raises(SpecError, match=f"{re.escape(str(folder / file))}: .*No such file"):
        load_specs(folder)


@pytest.mark.parametrize("text", ["a: [", "just words", "", "- a list", "\x00"])
def test_a_file_that_is_no_spec_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=re.escape(str(path))):
        load_file(path, SystemSpec)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(SpecError, match=re.escape(str(path))):
        load_file(path, SystemSpec)


def test_a_loaded_spec_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_specs().transforms.watermark_seconds = 1


def test_any_edit_changes_the_fingerprint_and_nothing_else_does(tmp_path: Path) -> None:
    edit = ("system.yaml", "kind: lakehouse, batch", "kind: Lakehouse, batch")
    same, other = edited_specs(tmp_path / "same"), edited_specs(tmp_path / "other", edit)
    assert same.version == load_specs().version != other.version


def test_of_two_versions_of_a_topic_the_newest_counts(tmp_path: Path) -> None:
    folder = edited_folder(tmp_path)
    topics = folder / "schemas" / "topics"
    first = (topics / "traffic_event.v1.yaml").read_text()
    (topics / "traffic_event.v2.yaml").write_text(first.replace("version: 1\n", "version: 2\n", 1))
    assert load_specs(folder).topics["traffic_event"].version == 2

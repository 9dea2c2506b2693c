"""Reads the spec files once, into one object."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from specs.beliefs import beliefs_of
from specs.errors import SpecError
from specs.ml import MlSpec
from specs.ops import OpsSpec
from specs.sources import SourceSpec
from specs.system import SystemSpec
from specs.tables import TableSpec, TopicSpec, history_of
from specs.transforms import TransformSpec
from specs.views import Access, AccessSpec, ViewSpec

SPECS_FOLDER = Path(__file__).parent
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Specs:
    """All specs, and the folder they come from.

    ``topics`` holds the version of each topic that is written: the newest that has a producer.
    Readers are ready for all of ``topic_versions``, so that they can be a version ahead.
    """

    folder: Path
    system: SystemSpec
    transforms: TransformSpec
    ml: MlSpec
    ops: OpsSpec
    topics: dict[str, TopicSpec]
    topic_versions: dict[str, tuple[TopicSpec, ...]]
    tables: dict[str, TableSpec]
    sources: dict[str, SourceSpec]
    views: dict[str, ViewSpec]
    access: dict[str, AccessSpec]

    @cached_property
    def version(self) -> str:
        """Fingerprint of every spec file: the first 12 hex digits of a SHA-256."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob("*.yaml")):
            digest.update(path.relative_to(self.folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
        return digest.hexdigest()[:12]


def load_file(path: Path, model: type[Model]) -> Model:
    """Read one spec file.

    Raises:
        SpecError: the file is absent, is not YAML, or does not describe a ``model``; the message
            names the file and each offending field.
    """
    try:
        # By libyaml, which PyYAML's wheels bring: seven times as fast, 0.13 s of every command.
        content = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        return model.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SpecError(f"{path}: {faults}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{path}: {error}") from error


def _load_folder(folder: Path, model: type[Model]) -> list[Model]:
    return [load_file(path, model) for path in sorted(folder.glob("*.yaml"))]


def load_specs(folder: Path = SPECS_FOLDER) -> Specs:
    """Read every spec below ``folder``; `specs.check` holds them against each other.

    Raises:
        SpecError: a file is absent or wrong.
    """
    topics = _load_folder(folder / "schemas" / "topics", TopicSpec)
    topics.sort(key=lambda topic: (topic.topic, bool(topic.producers), topic.version))
    written = {topic.topic: topic for topic in topics}
    versions = {
        name: tuple(sorted((t for t in topics if t.topic == name), key=lambda t: t.version))
        for name in written
    }
    tables = _load_folder(folder / "schemas" / "tables", TableSpec)
    views = _load_folder(folder / "schemas" / "views", ViewSpec)
    views += [view for table in tables if (view := beliefs_of(table)) is not None]
    tables += [kept for table in tables if (kept := history_of(table)) is not None]
    sources = _load_folder(folder / "sources", SourceSpec)
    return Specs(
        folder=folder,
        system=load_file(folder / "system.yaml", SystemSpec),
        transforms=load_file(folder / "transforms.yaml", TransformSpec),
        ml=load_file(folder / "ml.yaml", MlSpec),
        ops=load_file(folder / "ops.yaml", OpsSpec),
        topics=written,
        topic_versions=versions,
        tables={table.table: table for table in tables},
        sources={source.source: source for source in sources},
        views={view.view: view for view in views},
        access={access.user: access for access in load_file(folder / "access.yaml", Access).users},
    )

"""The files the runtime takes from a Maven repository, pinned in ``artifacts.yaml``."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lakehouse.runtime.download import Download, fetch
from lakehouse.settings import Settings
from specs.errors import SpecError, WrongInput

PINS = Path(__file__).with_name("artifacts.yaml")


class Artifact(BaseModel):
    """One pinned file: ``group:name:version``, with ``:extension`` where it is not a jar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    artifact: Annotated[str, Field(pattern=r"^[^:/]+:[^:/]+:[^:/]+(:[^:/]+)?$")]
    bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def path(self) -> str:
        """Where Maven's layout puts the file, relative to a repository's root."""
        group, name, version, *extension = self.artifact.split(":")
        file = f"{name}-{version}.{extension[0] if extension else 'jar'}"
        return f"{group.replace('.', '/')}/{name}/{version}/{file}"


def pinned(path: Path = PINS) -> dict[str, tuple[Artifact, ...]]:
    """Read the pinned artifacts of each group.

    Raises:
        SpecError: the file is absent, is not YAML, or describes something else; the message names
            the file and each offending field.
    """
    groups = TypeAdapter(dict[str, tuple[Artifact, ...]])
    try:
        return groups.validate_python(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SpecError(f"{path}: {error}") from error


def artifact_files(settings: Settings, group: str) -> list[Path]:
    """Have the files of a group in the cache and return where they are, in the pinned order.

    Raises:
        Unavailable: a file is not in the cache and cannot be downloaded.
        WrongInput: no such group is pinned.
    """
    groups = pinned()
    if group not in groups:
        raise WrongInput(f"no artifacts are pinned for {group!r}; there are {', '.join(groups)}")
    downloads = [
        Download(
            url=f"{settings.maven_url.rstrip('/')}/{artifact.path}",
            path=settings.cache / "maven" / artifact.path,
            bytes=artifact.bytes,
            sha256=artifact.sha256,
        )
        for artifact in groups[group]
    ]
    fetch(downloads, what=group)
    return [download.path for download in downloads]


def spark_jars(settings: Settings) -> list[Path]:
    """Have the jars that Spark needs beside pyspark's own: Delta, Kafka's source, S3 if it is used.

    Raises:
        Unavailable: a jar is not in the cache and cannot be downloaded.
    """
    groups = ("spark", "spark-s3") if settings.uses_s3 else ("spark",)
    return [path for group in groups for path in artifact_files(settings, group)]

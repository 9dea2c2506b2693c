"""Writes a backup, and makes a home of one."""

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lakehouse.backup.copies import (
    ARTIFACTS,
    DATABASE,
    POINTER,
    checkpoint_files,
    copy_database,
    files_below,
    log_pointer,
    table_files,
)
from lakehouse.backup.moment import Moment, moment
from lakehouse.delta_log import LOG
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.errors import Unavailable, WrongInput

FORMAT = 1
MANIFEST = "backup.json"
ATTEMPTS = 5
BLOCK_BYTES = 2**20
KEPT_WHOLE = ("lineage",)
"""Folders of a home that are small, and change a file at a time."""


class Kept(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    sha256: str


class Manifest(BaseModel):
    """What a backup holds; its last file, so that one without is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(le=FORMAT)
    made_at: datetime
    program: str
    spec_version: str
    tables: dict[str, int]
    stream_batch: int | None
    files: dict[str, Kept]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.size for file in self.files.values())


class _Copying:
    """Copies files from one folder to the same places in another, and remembers their hashes."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source, self._target = source, target
        self.files: dict[str, Kept] = {}

    def take(self, path: Path) -> None:
        name = path.relative_to(self._source).as_posix()
        self.files[name] = _copy(path, self._target / name)

    def begin_anew(self) -> None:
        """Forget what was copied."""
        for name in self.files:
            (self._target / name).unlink()
        self.files.clear()

    def made(self, path: Path) -> None:
        """Remember a file that is there already."""
        self.files[path.relative_to(self._target).as_posix()] = _hashed(path)


def back_up(lake: Lake, settings: Settings, target: Path, at: datetime) -> Manifest:
    """Copy the tables, the stream's progress, the registry and the API's keys to ``target``.

    Lander, stream and servers may run meanwhile.

    Raises:
        WrongInput: there is something at ``target``.
        Unavailable: no moment was found at which the tables fit each other, a file has gone, or
            the disk is full; nothing is left at ``target``.
    """
    if settings.uses_s3:
        raise WrongInput(
            "tables or checkpoints are in a bucket; have the store itself keep versions of it"
            " (docs/backup.md)"
        )
    if target.exists():
        raise WrongInput(f"{target} exists; a backup is a folder of its own")
    with _draft(target) as draft:
        copying = _Copying(settings.home, draft)
        chosen = _with_checkpoint(lake, settings, copying)
        for name, number in chosen.versions.items():
            folder = Path(str(lake.folder(name)))
            for path in table_files(folder, number):
                copying.take(path)
            pointer = log_pointer(folder, number)
            if pointer is not None:
                made = draft / folder.relative_to(settings.home) / LOG / POINTER
                made.write_text(pointer)
                copying.made(made)
        _take_registry(settings.home / "mlflow", draft / "mlflow", copying)
        for path in _small_files(settings):
            copying.take(path)
        manifest = Manifest(
            format=FORMAT, made_at=at, program=version("traffic-lakehouse"),
            spec_version=lake.specs.version, tables=chosen.versions,
            stream_batch=chosen.batch_id, files=copying.files,
        )  # fmt: skip
        (draft / MANIFEST).write_text(manifest.model_dump_json(indent=1))
    return manifest


def _with_checkpoint(lake: Lake, settings: Settings, copying: _Copying) -> Moment:
    """Choose the moment, and copy the checkpoint at once: Spark removes its old files soon."""
    folder = Path(str(settings.stream_checkpoint))
    for attempt in range(1, ATTEMPTS + 1):
        chosen = moment(lake, folder)
        if chosen.batch_id is None:
            return chosen
        try:
            for path in checkpoint_files(folder, chosen.batch_id):
                copying.take(path)
            _refuse_without(copying, settings, chosen.batch_id)
        except FileNotFoundError:
            if attempt == ATTEMPTS:
                raise
            copying.begin_anew()
        else:
            return chosen
    raise AssertionError("the last attempt returns or raises")


def _refuse_without(copying: _Copying, settings: Settings, batch_id: int) -> None:
    """Raise `FileNotFoundError` if the batch's plan, note or end had gone when we came to it."""
    stream = settings.stream_checkpoint
    for name in ("offsets", "notes", "commits"):
        place = f"{settings.checkpoints.name}/{stream.name}/{name}/{batch_id}"
        if place not in copying.files:
            raise FileNotFoundError(errno.ENOENT, "is gone already", place)


def _take_registry(home: Path, to: Path, copying: _Copying) -> None:
    """First the database, then the artifacts: what it names is there before it names it."""
    if (home / DATABASE).exists():
        copy_database(home / DATABASE, to / DATABASE)
        copying.made(to / DATABASE)
    for path in files_below(home / ARTIFACTS):
        copying.take(path)


def _small_files(settings: Settings) -> Iterator[Path]:
    if settings.api_keys.exists():
        yield settings.api_keys
    for name in KEPT_WHOLE:
        yield from files_below(settings.home / name)


def read_manifest(source: Path) -> Manifest:
    """What the backup in ``source`` holds.

    Raises:
        WrongInput: there is none, or one that this program does not know.
    """
    try:
        told = json.loads((source / MANIFEST).read_text())
        if told["format"] > FORMAT:
            raise WrongInput(
                f"{source} is a backup of format {told['format']}, made by release"
                f" {told['program']}; this one knows formats up to {FORMAT}: take a newer release"
            )
        return Manifest.model_validate(told)
    except (OSError, KeyError, TypeError, ValueError, ValidationError) as error:
        raise WrongInput(f"{source} is no whole backup: no {MANIFEST} to be read") from error


def restore(source: Path, home: Path) -> Manifest:
    """Make ``home`` of the backup in ``source``.

    Raises:
        WrongInput: ``source`` is no backup that this program knows, or ``home`` holds something.
        Unavailable: a file of the backup is gone or was changed, or the disk is full; nothing is
            left at ``home``.
    """
    manifest = read_manifest(source)
    if home.exists() and any(home.iterdir()):
        raise WrongInput(f"{home} is not empty; set TRAFFIC_HOME to a folder that is not there")
    if home.exists():
        home.rmdir()
    with _draft(home) as draft:
        for name, kept in manifest.files.items():
            if _copy(source / name, draft / name) != kept:
                raise Unavailable(f"{source / name} is not what was backed up; nothing is restored")
    return manifest


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A folder that becomes ``target`` when all went well, and otherwise nothing."""
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        yield draft
        draft.replace(target)
    except OSError as error:
        raise Unavailable(f"cannot copy {error.filename or target}: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copy(path: Path, to: Path) -> Kept:
    to.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, to.open("xb") as target:
        while block := source.read(BLOCK_BYTES):
            digest.update(block)
            size += target.write(block)
    shutil.copymode(path, to)
    return Kept(size=size, sha256=digest.hexdigest())


def _hashed(path: Path) -> Kept:
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    return Kept(size=path.stat().st_size, sha256=digest)

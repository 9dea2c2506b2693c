"""Takes the parts of a release archive that are used, in place all at once."""

import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from specs.errors import Unavailable

SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""How members are extracted; Python has its filters since 3.11.4, and Debian 12 has 3.11.2."""


def unpack(archive: Path, folder: Path, is_wanted: Callable[[PurePosixPath], bool]) -> None:
    """Unpack the wanted files of a ``.tar.gz`` whose members stand below one top folder.

    Files that the archive stores as hard links to unwanted ones are had all the same.

    Args:
        archive: the archive.
        folder: where the top folder's content goes; it appears when everything is in it.
        is_wanted: says of a file's path below the top folder whether it is used.

    Raises:
        Unavailable: the disk is full or not writable, or the archive is damaged.
    """
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        draft.mkdir(parents=True)
        with tarfile.open(archive) as tar:
            files = [member for member in tar.getmembers() if member.isfile() or member.islnk()]
            wanted = {member.name for member in files if is_wanted(_below(member.name))}
            links = {
                member.linkname for member in files if member.islnk() and member.name in wanted
            }
            for member in files:
                if member.name in wanted or member.name in links:
                    _refuse_outside(member.name, member.linkname)
                    tar.extract(member, draft, **SAFELY)
        for name in links - wanted:
            (draft / name).unlink()
            with suppress(OSError):  # not empty
                (draft / name).parent.rmdir()
        (top,) = draft.iterdir()
        top.replace(folder)
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise Unavailable(f"cannot unpack {archive} to {folder}: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _refuse_outside(*names: str) -> None:
    for path in map(PurePosixPath, names):
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{path} would lie outside")


def _below(name: str) -> PurePosixPath:
    return PurePosixPath(*PurePosixPath(name).parts[1:])

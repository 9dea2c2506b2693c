"""`traffic backup` and `traffic restore`: a copy of the lakehouse at one moment."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.commands.answer import Json, print_json

if TYPE_CHECKING:
    from lakehouse.backup.archive import Manifest


def backup(
    folder: Annotated[Path, typer.Argument(help="Where the backup is to be; not there yet.")],
    as_json: Json = False,
) -> None:
    """Copy the lakehouse as it is at one moment."""
    from lakehouse.backup.archive import back_up
    from lakehouse.journal import now
    from lakehouse.settings import Settings
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    settings = Settings()
    lake = Lake(settings.lake, load_specs())
    _show(back_up(lake, settings, folder.resolve(), now()), as_json=as_json)


def restore(
    folder: Annotated[Path, typer.Argument(help="What `traffic backup` wrote.")],
    as_json: Json = False,
) -> None:
    """Make TRAFFIC_HOME, which holds nothing yet, of a backup."""
    from lakehouse.backup.archive import restore as make_home
    from lakehouse.settings import Settings

    _show(make_home(folder.resolve(), Settings().home), as_json=as_json)


def _show(manifest: "Manifest", *, as_json: bool) -> None:
    told: dict[str, object] = {
        "made_at": manifest.made_at.isoformat(), "program": manifest.program,
        "spec_version": manifest.spec_version, "stream_batch": manifest.stream_batch,
        "files": len(manifest.files), "bytes": manifest.bytes,
    }  # fmt: skip
    if as_json:
        print_json({**told, "tables": manifest.tables})
        return
    for name, value in {**told, **manifest.tables}.items():
        print(f"{name:28} {value}")

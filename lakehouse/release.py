"""What a release writes carries its format; what a newer one wrote is refused.

A format changes when an older release would misread it. Columns that a spec gained need no new one:
they are added when the table is opened. Before there were formats, every table was of the first.
A checkpoint's is in its name.
"""

import re
from contextlib import suppress

from deltalake import CommitProperties, DeltaTable, Transaction

from lakehouse.location import Place
from specs.errors import WrongInput

FORMAT = 1
TABLE_FORMAT = "traffic/format"
"""A table's format is the progress of a writer of this name, since delta-rs keeps no properties
but Delta's own."""


def of_this_format() -> CommitProperties:
    """What the commit that creates a table says."""
    return CommitProperties(app_transactions=[Transaction(TABLE_FORMAT, FORMAT)])


def known_table(table: DeltaTable) -> DeltaTable:
    """The table itself.

    Raises:
        WrongInput: a newer release has written it.
    """
    _refuse_newer(f"table {table.metadata().name}", table.transaction_version(TABLE_FORMAT), FORMAT)
    return table


def refuse_newer_checkpoint(checkpoint: Place, folder: Place) -> None:
    """See that no newer release has begun a checkpoint beside ours.

    Args:
        checkpoint: ours, ``NAME-FORMAT``; one of an older format is left aside by its name.
        folder: where it is.

    Raises:
        WrongInput: there is one; what we wrote after it would be counted twice by it, or never.
    """
    name, _, known = checkpoint.name.rpartition("-")
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            found = re.fullmatch(rf"{re.escape(name)}-(\d+)", path.name)
            if found is not None:
                _refuse_newer(f"the checkpoint in {path}", int(found[1]), int(known))


def _refuse_newer(what: str, written: int | None, known: int) -> None:
    if written is not None and written > known:
        raise WrongInput(
            f"{what} is of format {written}, which a newer release wrote; this one knows formats"
            f" up to {known} and leaves it as it is: run the newer release, or restore a backup"
        )

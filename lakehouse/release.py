"""What a release writes carries its format; what a newer one wrote is refused.

A format changes when an older release would misread it. Columns that a spec gained need no new one:
they are added when the table is opened. Before there were formats, everything was of the first.
"""

from pathlib import Path

from deltalake import CommitProperties, DeltaTable, Transaction

from specs.errors import WrongInput

FORMAT = 1
TABLE_FORMAT = "traffic/format"
"""A table's format is the progress of a writer of this name, since delta-rs keeps no properties
but Delta's own."""

CHECKPOINT_FORMAT = "traffic_format"
"""A checkpoint's format is in a file of this name."""


def of_this_format() -> CommitProperties:
    """What the commit that creates a table says."""
    return CommitProperties(app_transactions=[Transaction(TABLE_FORMAT, FORMAT)])


def known_table(table: DeltaTable) -> DeltaTable:
    """The table itself.

    Raises:
        WrongInput: a newer release has written it.
    """
    _refuse_newer(f"table {table.metadata().name}", table.transaction_version(TABLE_FORMAT))
    return table


def keep_checkpoint_format(folder: Path) -> None:
    """Have the checkpoint in ``folder`` say its format.

    Raises:
        WrongInput: a newer release has written it.
    """
    path = folder / CHECKPOINT_FORMAT
    if path.exists():
        _refuse_newer(f"the checkpoint in {folder}", int(path.read_text()))
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{FORMAT}\n")


def _refuse_newer(what: str, written: int | None) -> None:
    if written is not None and written > FORMAT:
        raise WrongInput(
            f"{what} is of format {written}, which a newer release wrote; this one knows formats"
            f" up to {FORMAT} and leaves it as it is: run the newer release, or restore a backup"
        )

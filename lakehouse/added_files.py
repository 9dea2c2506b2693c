"""What the commits of a Delta table added, told by their entries in the log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehouse.delta_log import actions
from lakehouse.location import Place


@dataclass(frozen=True)
class AddedFile:
    """One data file.

    Attributes:
        version: of the commit that added it.
        path: where it is.
        folders: column to the value that all its rows have, as the log writes it.
        rows: in it, where the commit tells.
        least: column to its least value in the file, as JSON has it.
    """

    version: int
    path: Place
    folders: dict[str, str]
    rows: int | None
    least: dict[str, Any]

    def has_until(self, column: str, moment: datetime) -> bool:
        """A value of timestamp ``column`` may be ``moment`` or earlier."""
        least = self.least.get(column)
        return least is None or datetime.fromisoformat(least) <= moment


def added_files(folder: Place, after: int, through: int) -> Iterator[AddedFile]:
    """Files that brought new rows in the commits past ``after``, up to ``through``.

    Args:
        folder: of the table.
        after: -1 for the first commit on.
        through: last version.

    Raises:
        FileNotFoundError: the log has not kept all of these commits.
    """
    for version in range(after + 1, through + 1):
        for add in actions(folder, version, "add"):
            if add["dataChange"]:
                stats = json.loads(add.get("stats") or "{}")
                yield AddedFile(
                    version, folder / add["path"], add["partitionValues"], stats.get("numRecords"),
                    stats.get("minValues", {}),
                )  # fmt: skip

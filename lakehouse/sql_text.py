"""Text inside SQL."""

from pathlib import Path


def quoted(text: str | Path) -> str:
    """``text`` as a SQL string."""
    return "'" + str(text).replace("'", "''") + "'"

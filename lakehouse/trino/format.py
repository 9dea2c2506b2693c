"""The names of the formats; apart, so that `--help` imports nothing heavy."""

from enum import StrEnum


class Format(StrEnum):
    """How an answer is shown."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"

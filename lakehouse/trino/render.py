"""Shows answers: a table for people, CSV and JSON for programs."""

import csv
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, TextIO

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.plain import plain
from lakehouse.trino.client import Answer, Column

SHOWN_ROWS = 1000
"""A table is laid out as a whole, so it ends here; CSV and JSON have no end."""

WIDE = 100_000
"""Columns of text on something that is not a terminal: nothing is cut off."""


class Format(StrEnum):
    """How an answer is shown."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


NUMBERS = ("tinyint", "smallint", "integer", "bigint", "real", "double", "decimal")


def is_number(column: Column) -> bool:
    """Whether the column holds numbers."""
    return column.type.startswith(NUMBERS)


def text_of(value: Any) -> str:
    """One value for a person or a CSV file; null is empty, bytes are hexadecimal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple | dict):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value)


def show(answer: Answer, form: Format, out: TextIO) -> int:
    """Write an answer to ``out`` and return how many rows were left out."""
    return SHOWS[form](answer, out)


def _table(answer: Answer, out: TextIO) -> int:
    if not answer.columns:
        return 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in answer.columns:
        justify = "right" if is_number(column) else "left"
        table.add_column(Text(column.name), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in islice(answer.rows, SHOWN_ROWS):
        table.add_row(*(Text(_shown(value)) for value in row))
    console = Console(file=out)
    console.print(table, width=None if console.is_terminal else WIDE, crop=False)
    return sum(1 for _ in answer.rows)


def _shown(value: Any) -> str:
    return "NULL" if value is None else text_of(value)


def _csv(answer: Answer, out: TextIO) -> int:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.name for column in answer.columns)
    for row in answer.rows:
        writer.writerow(text_of(value) for value in row)
    return 0


def _json(answer: Answer, out: TextIO) -> int:
    names = [column.name for column in answer.columns]
    out.write("[")
    for number, row in enumerate(answer.rows):
        out.write(",\n " if number else "")
        out.write(json.dumps(dict(zip(names, map(plain, row), strict=True)), ensure_ascii=False))
    out.write("]\n")
    return 0


SHOWS: dict[Format, Callable[[Answer, TextIO], int]] = {
    Format.TABLE: _table,
    Format.CSV: _csv,
    Format.JSON: _json,
}


def show_rows(found: pa.Table, out: TextIO) -> int:
    """Show an Arrow table as one of Trino's answers; returns how many rows were left out."""
    columns = tuple(
        Column(field.name, "double" if _counts(field.type) else "varchar") for field in found.schema
    )
    shown = found.slice(0, SHOWN_ROWS)
    _table(
        Answer(columns, zip(*(column.to_pylist() for column in shown.columns), strict=True)), out
    )
    return int(found.num_rows - shown.num_rows)


def _counts(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def markdown(columns: Iterable[Column], rows: Iterable[Iterable[Any]]) -> str:
    """An answer as a table of a Markdown page."""
    columns = list(columns)
    head = " | ".join(column.name for column in columns)
    rule = " | ".join("---:" if is_number(column) else "---" for column in columns)
    lines = [" | ".join(text_of(value).replace("|", "\\|") for value in row) for row in rows]
    return "\n".join(f"| {line} |" for line in (head, rule, *lines))

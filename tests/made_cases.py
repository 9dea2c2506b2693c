"""The test cases that `traffic specs build` writes, read back."""

import json
import math
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

FOLDER = Path(__file__).parent / "cases"
Case = dict[str, Any]


def cases(path: str) -> list[Case]:
    """Cases of one file below ``tests/cases``; empty where the specs give none."""
    file = FOLDER / path
    found: list[Case] = json.loads(file.read_text()) if file.exists() else []
    return found


def value_of(text: Any, kind: pa.DataType) -> Any:
    """A value of a case as Arrow takes it."""
    if text is None:
        return None
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(text)
    if pa.types.is_date(kind):
        return date.fromisoformat(text)
    if pa.types.is_binary(kind):
        return text.encode()
    return math.nan if text == "NaN" else text


def rows_of(rows: list[Case], schema: pa.Schema) -> pa.Table:
    """Rows of cases as a table; a column that a row does not name is null."""
    columns = {
        field.name: [value_of(row.get(field.name), field.type) for row in rows] for field in schema
    }
    return pa.table({
        field.name: pa.array(columns[field.name], field.type) for field in schema
    })  # fmt: skip

"""A stub and its test: templates filled with what the specs say of topics and tables."""

import json
import keyword
import re
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from specs.errors import WrongInput
from specs.loader import Specs
from specs.tables import EventField, TableSpec

EVENTS, SCORES, KPI = "traffic_event", "congestion_scores", "gold.network_kpi"
NAME = re.compile(r"[a-z][a-z0-9_]*")
INDENT = " " * 8


class Kind(StrEnum):
    """What a stub is."""

    PRODUCER = "producer"
    PROCESSOR = "processor"
    SERVICE = "service"


EXAMPLES: dict[str, Any] = {
    "string": "a", "boolean": True, "long": 1, "integer": 1, "double": 0.75,
    "timestamp": datetime(2024, 5, 6, 7, tzinfo=UTC), "date": date(2024, 5, 6),
}  # fmt: skip
"""A value of each scalar type."""


def _example_row(table: TableSpec) -> dict[str, Any]:
    """A row of the table with a value in every column that holds a scalar."""
    return {column.name: EXAMPLES.get(column.type) for column in table.columns}


def _python(value: Any) -> str:
    """A literal of it, one entry of a dict a line."""
    if isinstance(value, dict):
        entries = "".join(f'    "{name}": {_python(one)},\n' for name, one in value.items())
        return f"{{\n{entries}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_python, value))})"
    if isinstance(value, datetime):
        return f"datetime({value.year}, {value.month}, {value.day}, {value.hour}, tzinfo=UTC)"
    if isinstance(value, date):
        return f"date({value.year}, {value.month}, {value.day})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _imported(literal: str, *more: str) -> str:
    """What a literal, and what stands beside it, needs of the module datetime."""
    used = {name for name in ("UTC", "date", "datetime") if re.search(rf"\b{name}\b", literal)}
    return ", ".join(sorted(used.union(more)))


def _said(field: EventField) -> str:
    unit = f" ({field.unit})" if field.unit else ""
    return f"{field.description}{unit}{'' if field.required else ' May be absent.'}"


def _fields(fields: tuple[EventField, ...]) -> str:
    """The entries of a message, one a field of the topic."""
    lines = []
    for field in fields:
        taken = f'reading["{field.name}"]' if field.required else f'reading.get("{field.name}")'
        value = str(field.example) if field.name == "schema_version" else taken
        lines += [f"{INDENT}# {_said(field)}", f'{INDENT}"{field.name}": {value},']
    return "\n".join(lines)


def _columns(table: TableSpec) -> str:
    """The table's columns, as a comment."""
    return "\n".join(
        f"#   {one.name}{f' ({one.unit})' if one.unit else ''}: {one.description}"
        for one in table.columns
    )


def _values(kind: Kind, name: str, specs: Specs) -> dict[str, str]:
    """What the templates of a kind leave open."""
    common = {"name": name, "title": name.replace("_", " ")}
    if kind is Kind.PRODUCER:
        topic = specs.topics[EVENTS]
        event = {field.name: field.example for field in topic.fields}
        return common | {
            "topic": topic.topic, "version": str(topic.version), "key": topic.key,
            "fields": _fields(topic.fields), "example": _python(event),
        }  # fmt: skip
    topic = specs.topics[SCORES]
    table = specs.tables[KPI if kind is Kind.SERVICE else str(topic.table)]
    example = _python(_example_row(table))
    more = ("datetime", "timedelta") if kind is Kind.SERVICE else ()
    return common | {
        "topic": topic.topic, "table": table.table, "columns": _columns(table),
        "key": _python(table.key), "example": example, "datetimes": _imported(example, *more),
    }  # fmt: skip


def scaffold(kind: Kind, name: str, folder: Path, specs: Specs) -> list[Path]:
    """Write the stub ``name`` and its test to ``folder``, and return their paths.

    Raises:
        WrongInput: the name is no name of a module, or a file of that name is there already.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise WrongInput(
            f"{name!r} is no name of a module; give small letters, digits and _, as in my_{kind}"
        )
    paths = {"stub": folder / f"{name}.py", "test": folder / f"test_{name}.py"}
    for path in paths.values():
        if path.exists():
            raise WrongInput(f"{path} is there already; choose another name, or --into a folder")
    values = _values(kind, name, specs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, path in paths.items():
            template = files(__package__).joinpath("templates", f"{kind}_{part}.py.txt")
            path.write_text(Template(template.read_text()).substitute(values))
    except OSError as error:
        raise WrongInput(f"{folder} cannot be written to: {error}") from error
    return list(paths.values())

"""Views that analysts query: their SQL, and what each column means."""

from pydantic import Field

from specs.ml import SourceTarget
from specs.model import Identifier, SpecModel
from specs.tables import Column
from specs.transforms import TransformSpec

TRINO_TYPES = {
    "string": "varchar", "long": "bigint", "integer": "integer", "double": "double",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp(3) with time zone",
    "array<string>": "array(varchar)",
}  # fmt: skip
"""Trino's name of the types that a view's columns have, by the specs' name."""


class Parameter(SpecModel):
    """A number that a query takes; written ``{name}`` there."""

    name: Identifier
    value: float | int
    description: str


class ViewSpec(SpecModel):
    """One view; it reads its tables as the catalog's owner, whoever asks."""

    view: str = Field(pattern=r"^(silver|gold|ops)\.[a-z_]+$")
    description: str
    source: str | None = None
    parameters: tuple[Parameter, ...] = ()
    columns: tuple[Column, ...] = Field(min_length=1, description="types are Trino's")
    query: str

    def sql(self, transforms: TransformSpec, targets: tuple[SourceTarget, ...]) -> str:
        """The query with its parameters filled in, each written ``{name}``.

        ``{is_target}`` is a condition on silver.segment_metric: rows that forecasts are about.

        Raises:
            KeyError: the query names a parameter that nobody defines.
        """
        known: dict[str, float | int | str] = {
            "primary_window_seconds": transforms.primary.size_seconds,
            "is_target": _is_target(transforms, targets),
            **{parameter.name: parameter.value for parameter in self.parameters},
        }
        return self.query.strip().format_map(known)


def _is_target(transforms: TransformSpec, targets: tuple[SourceTarget, ...]) -> str:
    own = [
        f"(source = '{target.source}' AND vehicle_count >= {target.min_vehicles}"
        f" AND window_seconds = {transforms.window(target.window).size_seconds})"
        for target in targets
    ]
    names = ", ".join(f"'{target.source}'" for target in targets)
    others = f"source NOT IN ({names}) AND " if targets else ""
    usual = f"({others}window_seconds = {transforms.primary.size_seconds})"
    return f"({' OR '.join([usual, *own])})"


class AccessSpec(SpecModel):
    """What one user of SQL may read; nobody writes."""

    user: Identifier
    description: str
    schemas: tuple[Identifier, ...] = Field(min_length=1)


class Access(SpecModel):
    """All users."""

    users: tuple[AccessSpec, ...] = Field(min_length=1)

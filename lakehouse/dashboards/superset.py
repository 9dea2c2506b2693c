"""Superset's datasets bound to the specs: their columns, types and descriptions.

Everything else in a dataset's file (its metrics, identity, cache) is edited in Superset and
exported from there; see `traffic superset export`.
"""

from typing import Any

import yaml

from specs.errors import SpecError
from specs.loader import Specs
from specs.tables import Column

TRINO_TYPES = {
    "string": "VARCHAR", "long": "BIGINT", "integer": "INTEGER", "double": "DOUBLE",
    "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP(3) WITH TIME ZONE",
}  # fmt: skip
"""Trino's type of a Delta column, as Superset writes it; columns of views name it themselves."""

UNSET: dict[str, Any] = dict.fromkeys((
    "advanced_data_type", "datetime_format", "expression", "extra", "python_date_format",
    "verbose_name",
))  # fmt: skip


def _column(column: Column, before: dict[str, Any]) -> dict[str, Any]:
    kind = TRINO_TYPES.get(column.type, column.type).upper()
    said = {
        "column_name": column.name, "description": column.comment, "type": kind,
        "is_dttm": kind.startswith(("TIMESTAMP", "DATE")),
    }  # fmt: skip
    usual = UNSET | {"filterable": True, "groupby": True, "is_active": True}
    return usual | before | said


def bound_dataset(text: str, specs: Specs, name: str) -> str:
    """The dataset's file with the columns that the specs give its table or view.

    Columns stay in the file's order, new ones follow in that of the specs.

    Raises:
        SpecError: the dataset is of a table or view that no spec describes.
    """
    dataset = yaml.safe_load(text)
    of = f"{dataset['schema']}.{dataset['table_name']}"
    spec = specs.views.get(of) or specs.tables.get(of)
    if spec is None:
        raise SpecError(f"{name}: a dataset of {of}, which is no table or view")
    before = {column["column_name"]: column for column in dataset["columns"]}
    columns = {column.name: column for column in spec.columns}
    order = [
        *(one for one in before if one in columns),
        *(one for one in columns if one not in before),
    ]
    bound = [_column(columns[one], before.get(one, {})) for one in order]
    described = {"columns": bound, "description": spec.description}
    return yaml.safe_dump(dataset | described, sort_keys=True)

"""What an audit looks at: the data files of the newest snapshots, in a DuckDB of its own."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa
from pyarrow.dataset import partitioning

from lakehouse.audit.check import Check
from lakehouse.bucket import S3Path
from lakehouse.location import Place
from lakehouse.sql_text import quoted
from lakehouse.tables import Lake, LakeTable
from specs.errors import SpecError

VIEWS = {
    "bronze": "bronze.traffic_event",
    "dead": "bronze.dead_letter",
    "road": "silver.road_segment",
    "silver": "silver.segment_metric",
    "scores": "gold.congestion_scores",
    "kpi": "gold.network_kpi",
    "ledger": "ops.ledger",
    "validation": "ops.validation_result",
}
"""Name in SQL to table."""

SQL_TYPES = {
    "string": "VARCHAR", "long": "BIGINT", "integer": "INTEGER", "double": "DOUBLE",
    "boolean": "BOOLEAN", "timestamp": "TIMESTAMPTZ", "date": "DATE",
}  # fmt: skip
"""Types of the specs to those of DuckDB, where a column may lay out the files."""

EXPIRED = {
    "expired_day": "view VARCHAR, day DATE, before TIMESTAMPTZ",
    "expired_rows": "view VARCHAR, before TIMESTAMPTZ",
    "expired_place": "partition INTEGER, through BIGINT",
}
"""What retention has removed, see `lakehouse.audit.retention`; nothing, until that is looked up."""

EXAMPLES = 3
"""Faults that a check quotes."""


class Evidence:
    """The newest snapshots, taken once, as views; use as a context manager.

    Nothing here calls the code that made the tables: an audit that shared it would share its bugs.
    """

    def __init__(self, lake: Lake, views: Iterable[str] = tuple(VIEWS)) -> None:
        """Take the snapshots that ``views`` names."""
        self.lake, self.specs = lake, lake.specs
        self._engine = duckdb.connect()
        self._engine.execute("SET TimeZone = 'UTC'")
        self.files: dict[str, list[str]] = {}
        self.lost: list[str] = []
        for view in views:
            self._show(view, lake.table(VIEWS[view]))
        for name, columns in EXPIRED.items():
            self._engine.execute(f"CREATE TEMP TABLE {name} ({columns})")

    def _show(self, view: str, table: LakeTable) -> None:
        """Make the Parquet files that are there a view; `file_check` counts those that are not."""
        table.refresh()
        self.files[view] = table.files()
        there = _present(table.folder, self.files[view])
        self.lost += [path for path in self.files[view] if path not in there]
        present = [path for path in self.files[view] if path in there]
        self._engine.register(f"{view}_schema", table.schema.empty_table())
        query = f"CREATE TEMP VIEW {view} AS SELECT * FROM {view}_schema"
        if present and isinstance(table.folder, S3Path):
            kinds = pa.schema([table.schema.field(name) for name in table.partition_by])
            laid_out = {"partitioning": partitioning(kinds, flavor="hive")} if len(kinds) else {}
            rows = table.folder.dataset(present, schema=table.schema, **laid_out)
            self._engine.register(f"{view}_rows", rows)
            query += f" UNION ALL BY NAME SELECT * FROM {view}_rows"
        elif present:
            paths = ", ".join(quoted(path) for path in present)
            kinds = {column.name: SQL_TYPES[column.type] for column in table.spec.columns
                     if column.name in table.partition_by}  # fmt: skip
            types = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
            hive = f", hive_types = {{{types}}}" if types else ""
            query += (
                f" UNION ALL BY NAME SELECT * FROM read_parquet([{paths}],"
                f" union_by_name = true, hive_partitioning = {bool(types)}{hive})"
            )
        self._engine.execute(query)

    def file_check(self) -> Check:
        """Every data file that a snapshot names is there, once."""
        named = [path for paths in self.files.values() for path in paths]
        lost = sorted(path.rsplit("/", 1)[-1] for path in self.lost)
        return Check("data files that the Delta logs name", len(named), len(named) - len(lost),
                     tuple(lost[:EXAMPLES]))  # fmt: skip

    def __enter__(self) -> Self:
        """Return the evidence itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the snapshots."""
        self._engine.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of ``query``.

        Raises:
            SpecError: an expression of the specs is no DuckDB SQL; the message carries DuckDB's.
        """
        try:
            return self._engine.execute(query).fetchall()
        except (duckdb.BinderException, duckdb.ParserException) as error:
            raise SpecError(f"the audit cannot evaluate the specs in DuckDB: {error}") from error

    def one(self, query: str) -> int:
        """The single number that ``query`` gives; null is 0."""
        return int(self.rows(query)[0][0] or 0)

    def keep(self, name: str, query: str) -> None:
        """Keep the rows of ``query`` as table ``name``."""
        self.rows(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    def take(self, name: str, rows: pa.Table) -> None:
        """Make ``rows`` known as ``name``."""
        self._engine.register(name, rows)

    def fill(self, name: str, columns: str, query: str, batches: Iterable[pa.Table]) -> None:
        """Keep ``query`` over each of ``batches``, there called ``batch``, as table ``name``."""
        self.rows(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
        for batch in batches:
            self.take("batch", batch)
            self.rows(f"INSERT INTO {name} {query}")

    def faultless(self, name: str, total: int, faults: str) -> Check:
        """Check that none of ``total`` rows is at fault.

        Args:
            name: of the check.
            total: rows that were looked at, those that should be there and are not included.
            faults: query of one text a row at fault; the text says where, for a person.
        """
        (count, examples) = self.rows(
            f"SELECT count(*), list(fault ORDER BY fault)[:{EXAMPLES}]"
            f" FROM ({faults}) AS found(fault)"
        )[0]
        return Check(name, total, total - int(count), _texts(examples))


def _present(folder: Place, paths: list[str]) -> set[str]:
    """Those of a table's data files that are there."""
    if isinstance(folder, S3Path):
        return folder.files()
    return {path for path in paths if Path(path).exists()}


def _texts(examples: Sequence[object] | None) -> tuple[str, ...]:
    return tuple(str(example) for example in examples or ())

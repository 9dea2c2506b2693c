"""Who may do what with the objects of the buckets: each service no more than its tables need."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lakehouse.kafka_grants import EXPORTER, OPERATOR, SETUP
from specs.loader import Specs

MLFLOW, STREAM, TRINO = "mlflow", "stream", "trino"
"""The registry with its artifacts; the only one with checkpoints; who reads tables for others."""

LAKE, ARTIFACTS = "lake", "mlflow"
"""The buckets: tables and checkpoints, and what belongs to MLflow's runs and models."""

TABLES, CHECKPOINTS = "tables", "checkpoints"
"""Prefixes in the lake's bucket."""

BOOKS = "ops"
"""The layer that whoever writes a table writes too."""

TABLE = "table:"

Operation = Literal["read", "write"]


@dataclass(frozen=True, order=True)
class Grant:
    """What a user may do with the objects whose names begin so; all of the bucket where empty."""

    user: str
    bucket: str
    prefix: str
    operation: Operation

    @property
    def place(self) -> str:
        """Bucket and prefix."""
        return f"{self.bucket}/{self.prefix}"


def users(specs: Specs) -> tuple[str, ...]:
    """Whom the store knows, beside its owner."""
    return tuple(sorted({grant.user for grant in grants(specs)}))


def grants(specs: Specs) -> set[Grant]:
    """Everything that anybody may do.

    A process reads and writes the tables that the flows of ``system.yaml`` lead to it and from it,
    with the history of what it writes, which begins with the table's name. It reads what it
    writes, and keeps the books of it, which all who write have in common. Exporter and Trino read
    every table, the exporter also how far the stream is. Setup makes the tables. The operator, who
    corrects, maintains and trains, writes all there is.
    """
    found = {
        Grant(OPERATOR, LAKE, "", "write"),
        Grant(MLFLOW, ARTIFACTS, "", "write"),
        Grant(STREAM, LAKE, CHECKPOINTS, "write"),
        Grant(SETUP, LAKE, TABLES, "write"),
        Grant(EXPORTER, LAKE, TABLES, "read"),
        Grant(EXPORTER, LAKE, CHECKPOINTS, "read"),
        Grant(TRINO, LAKE, TABLES, "read"),
        *_flowing(specs),
    }
    found |= {
        Grant(one.user, LAKE, f"{TABLES}/{BOOKS}", "write")
        for one in found if one.operation == "write" and one.prefix.startswith(f"{TABLES}/")
    }  # fmt: skip
    return found | {
        Grant(one.user, one.bucket, one.prefix, "read")
        for one in found if one.operation == "write"
    }  # fmt: skip


def _flowing(specs: Specs) -> Iterator[Grant]:
    processes = {one.id for one in specs.system.components if one.kind == "process"}
    for flow in specs.system.flows:
        if flow.from_ in processes and flow.to.startswith(TABLE):
            yield Grant(flow.from_, LAKE, _table(flow.to), "write")
        if flow.to in processes and flow.from_.startswith(TABLE):
            yield Grant(flow.to, LAKE, _table(flow.from_), "read")


def _table(end: str) -> str:
    return f"{TABLES}/{end.removeprefix(TABLE).replace('.', '/')}"

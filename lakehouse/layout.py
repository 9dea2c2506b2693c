"""How rows lie in the files of a table, so that a query reads few of them."""

from typing import Any

from deltalake import CommitProperties, DeltaTable, WriterProperties

from lakehouse.delta_predicates import Partition
from specs.tables import TableSpec

ROWS_PER_GROUP = 131_072
"""A file of one group is read whole by one thread; smaller ones cost bytes."""

COMPRESSION = "SNAPPY"
"""What new files have; delta-rs compacts with ZSTD where nothing is said."""


def compacted(
    delta: DeltaTable,
    spec: TableSpec,
    partition: Partition,
    target_bytes: int,
    commit: CommitProperties,
) -> dict[str, Any]:
    """Merge the files of ``partition``; rows are put in order where the spec wants one.

    Without an order only small files are touched. With one all are: delta-rs lays them along a
    Z-curve, where what differs in the columns' first bytes comes first. Ids begin with their
    source, so the rows of one source and window length lie side by side.

    Returns:
        delta-rs's metrics, such as ``numFilesRemoved``.
    """
    if not spec.ordered_by:
        return delta.optimize.compact(
            partition_filters=partition or None, target_size=target_bytes, commit_properties=commit
        )
    return delta.optimize.z_order(
        spec.ordered_by, partition_filters=partition or None, target_size=target_bytes,
        commit_properties=commit,
        writer_properties=WriterProperties(
            max_row_group_size=ROWS_PER_GROUP, compression=COMPRESSION
        ),
    )  # fmt: skip

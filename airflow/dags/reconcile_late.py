"""DAG `reconcile_late`: readings that came too late for the stream."""

from traffic_plan import GOLD, command, planned

DOC = """
1. `reconcile`: finds readings in bronze that silver has not counted because they came after the
   watermark, recomputes the windows they touch, and scores these again. The running stream does so
   too, every minute; this DAG also catches what came in while it stood still. It tells asset
   `gold`, so that `retrain_congestion` may look whether there is enough to learn from.
2. `lineage`: tells OpenLineage what has been landed, streamed, corrected, trained and scored since
   the last time, from the ledger.

Run again it changes nothing.
"""

with planned("reconcile_late", DOC):
    reconcile = command(
        "reconcile", "silver reconcile", outlets=[GOLD],
        doc_md="Recompute the windows whose late readings silver lacks.",
    )  # fmt: skip
    lineage = command("lineage", "lineage emit --json", doc_md="Events of the time since the last.")
    reconcile >> lineage

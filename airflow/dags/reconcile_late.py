"""DAG `reconcile_late`: readings that came too late for the stream."""

from traffic_plan import GOLD, command, planned

DOC = """
Finds readings in bronze that silver has not counted because they came after the watermark,
recomputes the windows they touch, and scores these again. The running stream does so too, every
minute; this DAG also catches what came in while it stood still.

Run again it changes nothing. It tells asset `gold`, so that `retrain_congestion` may look whether
there is enough to learn from.
"""

with planned("reconcile_late", DOC):
    command(
        "reconcile", "silver reconcile", outlets=[GOLD],
        doc_md="Recompute the windows whose late readings silver lacks.",
    )  # fmt: skip

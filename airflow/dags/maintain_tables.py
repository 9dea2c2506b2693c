"""DAG `maintain_tables`: keeps the Delta tables small."""

from traffic_plan import command, planned

DOC = """
Compacts small files, writes checkpoints, cleans logs, vacuums what no version needs and expires
rows past their retention (`specs/ops.yaml`), beside the running stream.

Nothing is removed that a reader has still to read; run again it finds nothing to do.
"""

with planned("maintain_tables", DOC):
    command("maintain", "maintain --json", doc_md="One pass over every table.")

"""DAG `refresh_congestion`: what the champion knows of recent days, renewed each night."""

from traffic_plan import NOT_NEEDED, command, planned

DOC = """
Registers the champion anew with the profile of the days up to the last midnight, UTC
(`profile.recent_days` in `specs/ml.yaml`). Its trees stay the same, and the stream takes it up
within seconds. Skipped where no model is champion. Nothing is trained: that is
`retrain_congestion`.
"""

with planned("refresh_congestion", DOC):
    command(
        "refresh", "model refresh --json --exit-code", skip_on_exit_code=NOT_NEEDED,
        doc_md="The same trees, newer days.",
    )  # fmt: skip

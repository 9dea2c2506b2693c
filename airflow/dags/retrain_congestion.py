"""DAG `retrain_congestion`: a new model where there is enough to learn, better than the last."""

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, task

from traffic_plan import GOLD, NOT_NEEDED, by_the_clock, command, planned

DOC = """
Runs every week, and whenever a DAG tells asset `gold`; most of these runs end at once.

1. `not_a_backfill`: a run that only backfills have set off ends here.
2. `due`: asks whether a training is worth it by `retraining` in `specs/ops.yaml`: never soon after
   the last one, however often `gold` is told; always after so long; in between where enough new
   observations have come in, or the champion's live scores have become poor.
3. `train`: trains on silver, measures against baselines and registers the model.
4. `evaluate`: what the champion of now is worth.
"""

RAN_BACKFILL = "backfill__"
"""What Airflow begins the id of a backfill's run with."""

schedule = AssetOrTimeSchedule(timetable=by_the_clock("retrain_congestion"), assets=[GOLD])

with planned("retrain_congestion", DOC, schedule=schedule):

    @task.short_circuit(
        execution_timeout=timedelta(minutes=1), doc_md="End a run that only backfills have set off."
    )
    def not_a_backfill(triggering_asset_events: dict) -> bool:
        sources = [e.source_run_id or "" for each in triggering_asset_events.values() for e in each]
        return not sources or not all(run.startswith(RAN_BACKFILL) for run in sources)

    due = command(
        "due", "model due --json --exit-code", skip_on_exit_code=NOT_NEEDED,
        doc_md="Skip what follows where a training is not worth it yet.",
    )  # fmt: skip
    train = command("train", "model train --json", doc_md="A new version, measured and registered.")
    evaluate = command("evaluate", "model show --json", doc_md="The champion and its measures.")
    not_a_backfill() >> due >> train >> evaluate

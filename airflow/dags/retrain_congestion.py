"""DAG `retrain_congestion`: a new model where there is enough to learn; the better one scores."""

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, task

from traffic_plan import GOLD, NOT_NEEDED, by_the_clock, command, planned

DOC = """
Runs every week, and whenever a DAG tells asset `gold`; most of these runs train nothing.

1. `not_a_backfill`: a run that only backfills have set off ends here.
2. `due`: asks whether a training is worth it by `retraining` in `specs/ops.yaml`: never soon after
   the last one, however often `gold` is told, nor while a challenger is on trial; always after so
   long; in between where enough new observations have come in, or the champion's live scores have
   become poor.
3. `train`: trains on silver, measures against baselines on the newest days, which it has not
   learnt from, and registers the model: the first as champion, a later one as challenger.
4. `evaluate`: the outcomes of the champion's scores, what these were worth, and how far the newest
   readings lie from what it was trained on.
5. `promote`: the challenger follows the champion where its shadow scores have shown what
   `promotion` in `specs/ml.yaml` asks for. A new one has none yet, so each run asks, whether it
   has trained or not: skipped here means that the champion stays, and the log says why.

Airflow keeps what `gold` was told while this DAG was off, so its first run after it was switched on
may stand for things of long before, backfills among others. That trains nothing by itself: `due`
decides by the tables and the registry as they are now, not by how often it was asked.
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
        doc_md="Skip the training where it is not worth it yet.",
    )  # fmt: skip
    train = command("train", "model train --json", doc_md="A new version, measured and registered.")
    evaluate = command("evaluate", "model quality --json", doc_md="Live quality and drift.")
    promote = command(
        "promote", "model promote --json --exit-code", skip_on_exit_code=NOT_NEEDED,
        trigger_rule="none_failed", doc_md="Challenger to champion, where it is better.",
    )  # fmt: skip
    not_a_backfill() >> due >> train >> evaluate >> promote

"""DAG `backfill_silver_gold`: silver and gold anew from bronze, one task a day."""

from datetime import UTC, date, datetime, timedelta

from airflow.sdk import Param, task

from traffic_plan import GOLD, PLAN, command_for_each, planned

DOC = """
Recomputes silver from bronze and gold from silver with the stream's own transforms, one mapped
task a day. Rows that are right already are left alone, so run again it writes nothing.

* Run by hand with `from` and `to` (days, UTC, `to` excluded) and, if wanted, one `source`.
* `airflow backfill create --dag-id backfill_silver_gold --from-date … --to-date …` makes one run a
  day instead; those runs do not set off `retrain_congestion`.
* By its own schedule it takes the day before: a nightly proof that batch and stream agree.
"""

DAY = {"type": ["null", "string"], "format": "date"}
SPAN = '--from "$FROM" --to "$TO" ${SOURCE:+--source "$SOURCE"}'

with planned(
    "backfill_silver_gold", DOC,
    params={
        "from": Param(None, **DAY, description="First day, UTC; by default the run's own."),
        "to": Param(None, **DAY, description="The day after the last one."),
        "source": Param(
            None, type=["null", "string"], pattern="^[a-z][a-z0-9_]*$",
            description="Only this source; by default all.",
        ),
    },
):  # fmt: skip

    @task(doc_md="The days to recompute, one environment each for the tasks that follow.")
    def days(params: dict, data_interval_start: datetime, data_interval_end: datetime) -> list:
        first = date.fromisoformat(params["from"]) if params["from"] else None
        end = date.fromisoformat(params["to"]) if params["to"] else None
        if (first is None) != (end is None):
            raise ValueError("give both `from` and `to`, or neither")
        first = first or data_interval_start.astimezone(UTC).date()
        end = end or max(data_interval_end.astimezone(UTC).date(), first + timedelta(days=1))
        count = (end - first).days
        most = PLAN["max_backfill_days"]
        if not 0 < count <= most:
            raise ValueError(f"from {first} to {end} is {count} days; 1 to {most} can be asked for")
        starts = [first + timedelta(days=number) for number in range(count)]
        source = {"SOURCE": params["source"]} if params["source"] else {}
        return [{"FROM": f"{day}", "TO": f"{day + timedelta(days=1)}", **source} for day in starts]

    each = days()
    silver = command_for_each(
        "silver", f"silver recompute {SPAN}", each, doc_md="One day of silver from bronze."
    )
    gold = command_for_each(
        "gold", f"gold recompute {SPAN}", each, outlets=[GOLD],
        doc_md="One day of scores and KPIs from silver, by the champion of now.",
    )  # fmt: skip
    silver >> gold

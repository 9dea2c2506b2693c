"""Dashboards of how the lakehouse runs: promises kept, and the pipeline hop by hop."""

from lakehouse.dashboards.panel import Board, Panel, Prom, quantile, rate
from specs.loader import Specs

FRESHNESS, API = "traffic_freshness_seconds", "traffic_api_request_duration_seconds"
HALF_AND_MOST = ((0.5, "half"), (0.95, "p95"))


def _share_within(name: str, bound: float, where: str, over: str) -> str:
    labels = f"{{{where}," if where else "{"
    within = f'sum(rate({name}_bucket{labels}le="{bound!r}"}}[{over}]))'
    return f"{within} / sum(rate({name}_count{{{where}}}[{over}]))"


def overview(specs: Specs) -> Board:
    """What was promised, and whether it is kept now."""
    goal, api_goal = (specs.system.sla(one).at_most or 0.0 for one in ("freshness", "api_latency"))
    gate_goal, age = specs.system.sla("gate_cost").at_most or 0.0, "traffic_api_data_age_seconds"
    gold = 'layer="gold"'
    pipeline = '{job=~"lander|stream"}'
    late = f"(1 - {_share_within(FRESHNESS, goal, gold, '1h')}) / 0.05"
    return Board(
        "traffic-slo", "Traffic: SLO overview",
        "The promises of specs/system.yaml, as the running lakehouse keeps them.", "now-6h",
        (
            (
                Panel("Alerts firing", "Alerts that call somebody now; docs/operations.md has a"
                      " section on each.", "none",
                      (Prom('count(ALERTS{alertstate="firing"}) or vector(0)'),),
                      "figure", 4, (1, 1)),
                Panel("Freshness p95", f"Kafka timestamp to gold's commit; the promise is {goal:g}"
                      " s.", "s", (Prom(quantile(0.95, FRESHNESS, where=f"{{{gold}}}")),),
                      "figure", 4, (0.75 * goal, goal)),
                Panel("Readings within the goal", "Share of the readings of the last hour that"
                      " reached gold in time; 0.95 was promised.", "percentunit",
                      (Prom(_share_within(FRESHNESS, goal, gold, "1h")),),
                      "figure", 4, (0.95, 0.9), is_low_bad=True),
                Panel("Burn rate", "How many times faster than allowed the budget of late readings"
                      " is used up, over the last hour; 1 is just allowed.", "none",
                      (Prom(late),), "figure", 4, (1, 6)),
                Panel("Behind Kafka", "Records that Kafka holds and bronze does not.", "none",
                      (Prom("sum(traffic_consumer_lag_records)"),), "figure", 4, (2000, 20000)),
                Panel("Disk free", "Share of the disk that is free.", "percentunit",
                      (Prom("traffic_disk_free_bytes / traffic_disk_size_bytes"),),
                      "figure", 4, (0.1, 0.03), is_low_bad=True),
            ),
            (
                Panel("Kafka to gold", "How long readings took from their Kafka timestamp to gold's"
                      f" commit; p95 is promised within {goal:g} s.", "s",
                      tuple(Prom(quantile(share, FRESHNESS, where=f"{{{gold}}}"), name)
                            for share, name in (*HALF_AND_MOST, (0.99, "p99"))),
                      width=12, limits=(0.75 * goal, goal)),
                Panel("Alerts over time", "Alerts that were pending or firing, by name.", "none",
                      (Prom("count by (alertname, alertstate) (ALERTS)",
                            "{{alertname}} {{alertstate}}"),), width=12),
            ),
            (
                Panel("API latency p99", f"By route; {api_goal * 1000:g} ms is promised for a whole"
                      " city.", "s", (Prom(quantile(0.99, API, "route"), "{{route}}"),),
                      limits=(0.5 * api_goal, api_goal)),
                Panel("Age of what the API shows", "Now less the newest Kafka timestamp shown.",
                      "s", (Prom(age, "age"), Prom("traffic_api_pickup_seconds", "pickup"))),
                Panel("CPU that gates take", f"Share of lander and stream; {gate_goal:.0%} is the"
                      " most.", "percentunit",
                      (Prom(f"{rate('traffic_gate_cpu_seconds_total')}"
                            f" / {rate('traffic_process_cpu_seconds_total', where=pipeline)}",
                            "gates"),
                       Prom(f"{rate('traffic_metrics_cpu_seconds_total')}"
                            f" / {rate('traffic_process_cpu_seconds_total', where=pipeline)}",
                            "metrics")), limits=(0.7 * gate_goal, gate_goal)),
            ),
            (
                Panel("Processes", "Processes of each kind that answer.", "none",
                      (Prom("sum by (job) (up)", "{{job}}"),)),
                Panel("Memory", "Resident memory of each process and what it has started.", "bytes",
                      (Prom("sum by (job) (traffic_process_memory_bytes)", "{{job}}"),)),
                Panel("CPU", "Cores in use, by each kind of process and what it has started.",
                      "none",
                      (Prom(rate("traffic_process_cpu_seconds_total", "job"), "{{job}}"),)),
            ),
        ),
    )  # fmt: skip


def pipeline(_: Specs) -> Board:
    """Lag, latency, batches and state, from Kafka to gold."""
    batch, rows = "traffic_batch_duration_seconds", "traffic_rows_written_total"
    return Board(
        "traffic-pipeline", "Traffic: pipeline",
        "Kafka to bronze to silver to gold: how far behind, how fast, how large.", "now-1h",
        (
            (
                Panel("Lag by partition", "Records that Kafka holds and bronze's last commit does"
                      " not stand for. Flat is well; growing means that the lander is too slow.",
                      "none", (Prom("traffic_consumer_lag_records", "{{topic}} {{partition}}"),)),
                Panel("Bronze ahead of gold", "Age of the oldest commit of bronze that silver and"
                      " gold have not taken in.", "s",
                      (Prom("traffic_stream_lag_seconds", "age"),), limits=(10, 60)),
                Panel("Rows written", "What commits reported, by table.", "rowsps",
                      (Prom(rate(rows, "table"), "{{table}}"),)),
            ),
            (
                Panel("Each hop", "95 % of the readings took no longer: from Kafka to bronze, from"
                      " there to silver, from there to gold.", "s",
                      (Prom(quantile(0.95, "traffic_processing_seconds", "layer"), "{{layer}}"),)),
                Panel("From Kafka to each layer", "The same, since the Kafka timestamp.", "s",
                      (Prom(quantile(0.95, FRESHNESS, "layer"), "{{layer}}"),)),
                Panel("Commits", "Wall time of a Delta commit, p95 by table.", "s",
                      (Prom(quantile(0.95, "traffic_commit_duration_seconds", "table"),
                            "{{table}}"),)),
            ),
            (
                Panel("Batch duration", "Of the lander and of Spark's micro-batches.", "s",
                      tuple(Prom(quantile(share, batch, "job"), f"{{{{job}}}} {name}")
                            for share, name in HALF_AND_MOST)),
                Panel("Batch size", "Rows of a batch, on average.", "none",
                      (Prom(f"{rate('traffic_batch_rows_sum', 'job')}"
                            f" / {rate('traffic_batch_rows_count', 'job')}", "{{job}}"),)),
                Panel("Batches", "How many are done a second; one at a time, so long ones are few.",
                      "ops",
                      (Prom(rate(f"{batch}_count", "job"), "{{job}}"),)),
            ),
            (
                Panel("State", "Memory of the events that the stream remembers.", "bytes",
                      (Prom("traffic_state_bytes", "state"),)),
                Panel("Events remembered", "Younger than the watermark; each counts once.", "none",
                      (Prom("traffic_state_rows", "events"),)),
                Panel("Watermark and late rows", "How far the watermark is behind the newest event,"
                      " in seconds, and rows a second that came too late for it.", "none",
                      (Prom("traffic_watermark_delay_seconds", "delay in s"),
                       Prom(rate("traffic_late_rows_total"), "late"))),
            ),
            (
                Panel("Data files", "Of each table's newest version; `traffic maintain` keeps them"
                      " few.", "none", (Prom("traffic_table_files", "{{table}}"),)),
                Panel("Log files", "Commits, checksums and checkpoints in each table's log.",
                      "none",
                      (Prom("traffic_table_log_files", "{{table}}"),)),
                Panel("The exporter's looks", "How long it takes to look at each part.", "s",
                      (Prom("traffic_exporter_duration_seconds", "{{part}}"),)),
            ),
        ),
    )  # fmt: skip

"""Dashboards of what the lakehouse holds: data quality, the model, the traffic itself."""

from lakehouse.dashboards.panel import Board, Panel, Prom, Sql, quantile, rate
from specs.loader import Specs

LANDED = '{table=~"bronze.+",job="land"}'
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def data_quality(specs: Specs) -> Board:
    """Verdicts, gates, dead letters, detectors."""
    window = specs.transforms.primary.size_seconds
    dead = '{table="bronze.dead_letter",job="land"}'
    return Board(
        "traffic-quality", "Traffic: data quality",
        "What was accepted, what was refused and why, and which detectors are ill.", "now-6h",
        (
            (
                Panel("Verdicts", "Records a second that landed in bronze, and that became dead"
                      " letters.", "rowsps",
                      (Prom(rate("traffic_rows_written_total", "table", where=LANDED),
                            "{{table}}"),)),
                Panel("Share refused", "Dead letters over all records.", "percentunit",
                      (Prom(f"{rate('traffic_rows_written_total', where=dead)}"
                            f" / {rate('traffic_rows_written_total', where=LANDED)}", "refused"),),
                      limits=(0.05, 0.1)),
                Panel("Dead letters by rule", "A second; a record that broke two rules counts under"
                      " both.", "rowsps",
                      (Prom(rate("traffic_dead_letters_total", "rule"), "{{rule}}"),)),
            ),
            (
                Panel("Dead letters waiting", "That no replay has landed yet.", "none",
                      (Prom("traffic_dead_letters_unresolved", "waiting"),)),
                Panel("Refused batches", "In the last hour, by what they broke. One is too many.",
                      "none", (Prom("sum by (table, rule) (increase("
                                    "traffic_gate_failures_total[1h])) > 0",
                                    "{{table}} {{rule}}"),)),
                Panel("Gates", "Wall time of a batch in its gate, p95 by table.", "s",
                      (Prom(quantile(0.95, "traffic_gate_duration_seconds", "table"),
                            "{{table}}"),)),
            ),
            (
                Panel("Silent segments", "Share of a source's segments without an observation in"
                      " its newest hour.", "percentunit",
                      (Prom("traffic_segments_silent / traffic_segments", "{{source}}"),),
                      limits=(0.2, 0.3)),
                Panel("Ill detectors", "Segments whose newest window has a health rule fired.",
                      "none", (Prom("traffic_segments_unhealthy", "{{source}} {{rule}}"),)),
                Panel("Dead letters by reason", "All of them, by day and rule, with what one of"
                      " them was told.", "none",
                      (Sql("SELECT failed_date, rule_id, record_count, resolved_count,"
                           " example_reason FROM ops.dead_letter_by_reason"
                           " ORDER BY failed_date DESC, record_count DESC LIMIT 50"),), "table"),
            ),
            (
                Panel("Gate results", "Runs of Great Expectations by table, and those that passed.",
                      "none",
                      (Sql("SELECT table_name, count(*) AS runs, count_if(is_success) AS passed,"
                           " sum(row_count) AS row_count, sum(sample_count) AS rows_looked_at,"
                           " max(validated_at) AS last_run FROM ops.validation_result"
                           " GROUP BY table_name ORDER BY table_name"),), "table", 12),
                Panel("Detector health", "Segments and windows of the newest day that fired each"
                      " rule.", "none",
                      (Sql("SELECT h.rule, count(DISTINCT segment_id) AS segments,"
                           " count(*) AS windows FROM silver.segment_metric"
                           " CROSS JOIN UNNEST(detector_health) AS h (rule)"
                           f" WHERE window_seconds = {window} AND window_date ="
                           " (SELECT max(window_date) FROM silver.segment_metric)"
                           " GROUP BY h.rule ORDER BY segments DESC"),), "table", 12),
            ),
        ),
    )  # fmt: skip


def model(specs: Specs) -> Board:
    """How good the scores are, and whether the world has moved away from them."""
    window, horizon = specs.transforms.primary.size_seconds, specs.ml.horizons_minutes[0]
    quality = "gold.model_quality_by_day"
    return Board(
        "traffic-model", "Traffic: model",
        "Scores against what came, beside the forecast that it stays as it is.", "now-7d",
        (
            (
                Panel("Version that scores", "0: no model is champion.", "none",
                      (Prom("max(traffic_model_version)"),), "figure", 6, (1, 1), is_low_bad=True),
                Panel("Its age", "Since it was trained; training runs weekly.", "s",
                      (Prom("time() - max(traffic_model_created_timestamp_seconds)"),),
                      "figure", 6, (7 * 86400, 14 * 86400)),
                Panel("Live Brier score", "Of the newest days, mean over the horizons; 0 is"
                      " perfect.", "none",
                      (Prom('avg(traffic_live_brier_score{forecaster="model"})'),), "figure", 6),
                Panel("Outcomes", "Scores of the newest days whose target was observed.", "none",
                      (Prom("sum(traffic_live_outcomes)"),), "figure", 6),
            ),
            (
                Panel("Feature drift", "Population stability index of the last days against what"
                      " the model was trained on, the largest; above"
                      f" {specs.ml.drift.max_psi:g} it is a shift.", "none",
                      (Prom("topk(8, traffic_feature_drift)", "{{feature}}"),), width=12,
                      limits=(0.4 * specs.ml.drift.max_psi, specs.ml.drift.max_psi)),
                Panel("Version over time", "Steps up are trainings and promotions, steps down"
                      " rollbacks.", "none",
                      (Prom("max(traffic_model_version)", "version"),
                       Prom("sum(traffic_model_rollbacks_total)", "rollbacks")), width=12),
            ),
            (
                Panel("Live Brier score by horizon", "Beside persistence on the same rows; lower is"
                      " better.", "none",
                      (Prom("traffic_live_brier_score", "{{forecaster}} {{horizon_minutes}} min"),),
                      width=12),
                Panel("Live calibration error", "Mean gap between forecast and observed share;"
                      " drift begins at 0.1.", "none",
                      (Prom("traffic_live_calibration_error", "{{horizon_minutes}} min"),),
                      width=12, limits=(0.05, 0.1)),
            ),
            (
                Panel("Champion and challengers", "Each version that scored: Brier score, skill"
                      " against persistence (1 is perfect, 0 no better) and AUROC.", "none",
                      (Sql("SELECT model_version, horizon_minutes, sum(score_count) AS scores,"
                           " sum(brier * score_count) / sum(score_count) AS brier,"
                           " 1 - sum(brier * score_count) / nullif(sum(brier_persistence *"
                           " score_count), 0) AS skill, avg(auroc) AS auroc_mean,"
                           " min(window_date) AS first_day, max(window_date) AS last_day"
                           f" FROM {quality} GROUP BY model_version, horizon_minutes"
                           " ORDER BY model_version DESC, horizon_minutes"),), "table", 12),
                Panel("Brier score by day", "Of the shown days, beside persistence.", "none",
                      (Sql("SELECT time, sum(brier * score_count) / sum(score_count) AS model,"
                           " sum(brier_persistence * score_count) / sum(score_count)"
                           " AS persistence FROM (SELECT CAST(window_date AS TIMESTAMP) AS time,"
                           f" brier, brier_persistence, score_count FROM {quality})"
                           " WHERE $__timeFilter(time) GROUP BY time ORDER BY time"),), width=12),
            ),
            (
                Panel("Calibration", f"What was forecast {horizon} minutes ahead in the newest two"
                      " days of scores, and how often it came; the two columns should be alike.",
                      "none",
                      (Sql("SELECT floor(score.congestion_probability * 10) / 10 AS forecast_from,"
                           " avg(score.congestion_probability) AS forecast,"
                           " avg(IF(target.is_congested, 1e0, 0e0)) AS came, count(*) AS scores"
                           " FROM gold.congestion_scores AS score"
                           " JOIN silver.segment_metric AS target"
                           " ON target.segment_id = score.segment_id"
                           " AND target.window_start = score.target_start"
                           " AND target.window_date = CAST(score.target_start AT TIME ZONE 'UTC'"
                           " AS DATE)"
                           f" WHERE target.window_seconds = {window}"
                           f" AND score.horizon_minutes = {horizon}"
                           " AND target.observation_count > 0"
                           " AND score.window_date >= (SELECT max(window_date) - INTERVAL '1' DAY"
                           " FROM gold.congestion_scores) GROUP BY 1 ORDER BY 1"),), "table", 12),
                Panel("Drift", "Mean forecast of each hour beside the congested share of the"
                      " network in it. They part when the world has changed.", "percentunit",
                      (Sql("SELECT date_trunc('hour', window_start) AS time,"
                           " avg(congestion_probability) AS forecast FROM gold.congestion_scores"
                           f" WHERE horizon_minutes = {horizon} AND $__timeFilter(window_start)"
                           " GROUP BY 1 ORDER BY 1"),
                       Sql("SELECT date_trunc('hour', window_start) AS time,"
                           " sum(congested_ratio * segment_count) / sum(segment_count)"
                           " AS congested FROM gold.network_kpi"
                           " WHERE congested_ratio IS NOT NULL AND $__timeFilter(window_start)"
                           " GROUP BY 1 ORDER BY 1")), width=12),
            ),
        ),
    )  # fmt: skip


def traffic(specs: Specs) -> Board:
    """Congestion now and soon, where, and as it usually is."""
    likely, horizon = specs.ops.serving.likely_probability, specs.ml.horizons_minutes[0]
    now = f"FROM gold.current_congestion WHERE horizon_minutes = {horizon}"
    by_day = ", ".join(
        f"sum(speed_ratio_mean * window_count) FILTER (WHERE day_of_week = {number})"
        f" / sum(window_count) FILTER (WHERE day_of_week = {number}) AS {name}"
        for number, name in enumerate(DAYS, 1)
    )
    return Board(
        "traffic-roads", "Traffic: roads",
        "Congestion now and soon, bottlenecks, and the usual week.", "now-24h",
        (
            (
                Panel("Likely congested", f"Segments with a probability of {likely:g} or more in"
                      f" {horizon} minutes.", "none",
                      (Sql("SELECT count(*) AS segments"
                           f" {now} AND congestion_probability >= {likely:g}"),), "figure", 6),
                Panel("Mean probability", f"Of congestion in {horizon} minutes, over all segments.",
                      "percentunit",
                      (Sql(f"SELECT avg(congestion_probability) AS probability {now}"),),
                      "figure", 6),
                Panel("Mean speed now", "Over the segments that were observed.", "velocitykmh",
                      (Sql(f"SELECT avg(speed_kmh_now) AS speed_kmh {now}"),), "figure", 6),
                Panel("Newest window", "Until when the scores reach.", "dateTimeAsIso",
                      (Sql(f"SELECT to_unixtime(max(window_start)) * 1000 AS newest {now}"),),
                      "figure", 6),
            ),
            (
                Panel("Map", f"Each segment's middle, by its probability of congestion in {horizon}"
                      " minutes.", "percentunit",
                      (Sql("SELECT now.road, now.congestion_probability, now.speed_kmh_now,"
                           " element_at(segment.polyline, cardinality(segment.polyline) / 2 + 1)"
                           ".lat AS latitude, element_at(segment.polyline,"
                           " cardinality(segment.polyline) / 2 + 1).lon AS longitude"
                           " FROM gold.current_congestion AS now JOIN silver.road_segment AS"
                           " segment ON segment.segment_id = now.segment_id"
                           f" WHERE now.horizon_minutes = {horizon}"
                           " AND cardinality(segment.polyline) > 0"),), "map", 12, (0.3, 0.5)),
                Panel("Most congested soon", f"By probability in {horizon} minutes.", "none",
                      (Sql("SELECT road, congestion_probability, speed_kmh_now,"
                           f" speed_kmh_predicted, free_flow_speed_kmh {now}"
                           " ORDER BY congestion_probability DESC LIMIT 20"),), "table", 12),
            ),
            (
                Panel("Bottlenecks", "Where traffic ran fast into a slow segment on the newest day,"
                      " after Caltrans PeMS: how long, how slow.", "none",
                      (Sql("SELECT road, count(*) AS windows, avg(speed_kmh_upstream) AS"
                           " speed_kmh_upstream, avg(speed_kmh_mean) AS speed_kmh_here,"
                           " avg(delay_s) AS delay_s_mean FROM gold.bottleneck"
                           " WHERE window_date >= (SELECT max(window_date) FROM"
                           " gold.bottleneck) GROUP BY road ORDER BY windows DESC LIMIT 20"),),
                      "table", 12),
                Panel("Congested share of the network", "Of the segments that were observed.",
                      "percentunit",
                      (Sql("SELECT window_start AS time, congested_ratio, source"
                           " FROM gold.network_kpi WHERE $__timeFilter(window_start)"
                           " ORDER BY window_start"),), width=12),
            ),
            (
                Panel("Hour of the week", "Speed over free flow, local time; 1 flows freely.",
                      "percentunit",
                      (Sql(f"SELECT hour_of_day, {by_day} FROM gold.hour_of_week_profile"
                           " GROUP BY hour_of_day ORDER BY hour_of_day"),), "table", 12,
                      (0.8, 0.6), is_low_bad=True),
                Panel("Delay by road", "Against free flow, a vehicle's mean on the newest day.",
                      "s",
                      (Sql("SELECT road, delay_s_mean, delay_s_max, delay_s_per_km FROM ("
                           "SELECT *, max(local_date) OVER (PARTITION BY source) AS last_date"
                           " FROM gold.delay_by_road) WHERE local_date = last_date"
                           " ORDER BY delay_s_mean DESC LIMIT 20"),), "table", 12),
            ),
        ),
    )  # fmt: skip

-- Made of specs/ by `traffic specs build`; edit there.
CREATE OR REPLACE VIEW gold.bottleneck COMMENT 'Windows in which traffic runs fast into a slow segment, for long enough to be a bottleneck.' AS
WITH pair AS (
  SELECT segment.source, segment.segment_id, segment.name, upstream.segment_id AS upstream_segment_id
  FROM silver.road_segment AS segment
  CROSS JOIN UNNEST(segment.upstream_segment_ids) AS u (upstream_id)
  JOIN silver.road_segment AS upstream ON upstream.segment_id = u.upstream_id
  WHERE (segment.length_m + upstream.length_m) / 2 < 4828.032
), metric AS (
  SELECT segment_id, window_start, window_date, speed_kmh_mean, delay_s
  FROM silver.segment_metric
  WHERE window_seconds = 300
), point AS (
  SELECT
    pair.source, pair.segment_id, pair.name, pair.upstream_segment_id,
    here.window_start, here.window_date, here.delay_s,
    above.speed_kmh_mean AS speed_kmh_upstream, here.speed_kmh_mean,
    CAST(to_unixtime(here.window_start) AS BIGINT) / 300 AS number,
    IF(above.speed_kmh_mean - here.speed_kmh_mean >= 32.18688
      AND here.speed_kmh_mean < 64.37376, 1, 0) AS is_drop
  FROM pair
  JOIN metric AS here ON here.segment_id = pair.segment_id
  JOIN metric AS above
    ON above.segment_id = pair.upstream_segment_id
    AND above.window_start = here.window_start
    AND above.window_date = here.window_date
), run AS (
  SELECT *, sum(is_drop) OVER (
    PARTITION BY segment_id, upstream_segment_id ORDER BY number
    RANGE BETWEEN 6 PRECEDING AND CURRENT ROW
  ) >= 5 AS is_end_of_run
  FROM point
), active AS (
  SELECT *, bool_or(is_end_of_run) OVER (
    PARTITION BY segment_id, upstream_segment_id ORDER BY number
    RANGE BETWEEN CURRENT ROW AND 6 FOLLOWING
  ) AS is_active
  FROM run
)
SELECT
  source, segment_id, name AS road, upstream_segment_id, window_start, window_date,
  speed_kmh_upstream, speed_kmh_mean, delay_s
FROM active
WHERE is_active;
COMMENT ON COLUMN gold.bottleneck.source IS 'Source of the segments.';
COMMENT ON COLUMN gold.bottleneck.segment_id IS 'The slow segment, where the bottleneck is.';
COMMENT ON COLUMN gold.bottleneck.road IS 'Its name.';
COMMENT ON COLUMN gold.bottleneck.upstream_segment_id IS 'The fast segment that traffic comes from.';
COMMENT ON COLUMN gold.bottleneck.window_start IS 'Window in which the bottleneck is active (UTC).';
COMMENT ON COLUMN gold.bottleneck.window_date IS 'Day of window_start (UTC).';
COMMENT ON COLUMN gold.bottleneck.speed_kmh_upstream IS 'Mean speed upstream. [km/h]';
COMMENT ON COLUMN gold.bottleneck.speed_kmh_mean IS 'Mean speed on the segment. [km/h]';
COMMENT ON COLUMN gold.bottleneck.delay_s IS 'Delay of one vehicle on the segment against free flow. [s]';


CREATE OR REPLACE VIEW gold.congestion_scores_believed COMMENT 'Rows of gold.congestion_scores with those that a correction replaced, and when each was believed. What the stream said of a window that was open is there in its last form.' AS
SELECT
  segment_id, source, window_start, window_date, horizon_minutes, target_start,
  congestion_probability, speed_kmh_predicted, speed_kmh_low, speed_kmh_high, model_name,
  model_version, is_final, revision, kafka_timestamp_max, scored_at,
  scored_at AS believed_from,
  lead(scored_at) OVER (
    PARTITION BY segment_id, window_start, horizon_minutes, window_date ORDER BY scored_at, revision
  ) AS believed_until
FROM (
  SELECT segment_id, source, window_start, window_date, horizon_minutes, target_start,
  congestion_probability, speed_kmh_predicted, speed_kmh_low, speed_kmh_high, model_name,
  model_version, is_final, revision, kafka_timestamp_max, scored_at
  FROM gold.congestion_scores
  UNION ALL
  SELECT segment_id, source, window_start, window_date, horizon_minutes, target_start,
  congestion_probability, speed_kmh_predicted, speed_kmh_low, speed_kmh_high, model_name,
  model_version, is_final, revision, kafka_timestamp_max, scored_at
  FROM gold.congestion_scores_history
);
COMMENT ON COLUMN gold.congestion_scores_believed.segment_id IS 'Road segment.';
COMMENT ON COLUMN gold.congestion_scores_believed.source IS 'Source of the segment.';
COMMENT ON COLUMN gold.congestion_scores_believed.window_start IS 'Window the score stands at (UTC).';
COMMENT ON COLUMN gold.congestion_scores_believed.window_date IS 'Day of window_start (UTC).';
COMMENT ON COLUMN gold.congestion_scores_believed.horizon_minutes IS 'From window_start to the target window''s start. [min]';
COMMENT ON COLUMN gold.congestion_scores_believed.target_start IS 'Start of the window that is predicted (UTC).';
COMMENT ON COLUMN gold.congestion_scores_believed.congestion_probability IS 'Calibrated probability that the target window is congested. [ratio]';
COMMENT ON COLUMN gold.congestion_scores_believed.speed_kmh_predicted IS 'Expected mean speed in the target window. [km/h]';
COMMENT ON COLUMN gold.congestion_scores_believed.speed_kmh_low IS 'Lower end of the interval that holds the mean speed four times in five. [km/h]';
COMMENT ON COLUMN gold.congestion_scores_believed.speed_kmh_high IS 'Upper end of that interval. [km/h]';
COMMENT ON COLUMN gold.congestion_scores_believed.model_name IS 'Registered model.';
COMMENT ON COLUMN gold.congestion_scores_believed.model_version IS 'Its version.';
COMMENT ON COLUMN gold.congestion_scores_believed.is_final IS 'The window it stands at is final.';
COMMENT ON COLUMN gold.congestion_scores_believed.revision IS 'Revision of the silver row it was scored from.';
COMMENT ON COLUMN gold.congestion_scores_believed.kafka_timestamp_max IS 'Newest Kafka timestamp among the window''s events (UTC).';
COMMENT ON COLUMN gold.congestion_scores_believed.scored_at IS 'When the score was made (UTC).';
COMMENT ON COLUMN gold.congestion_scores_believed.believed_from IS 'When the row was committed (UTC).';
COMMENT ON COLUMN gold.congestion_scores_believed.believed_until IS 'When another took its place (UTC); null while it stands.';


CREATE OR REPLACE VIEW gold.current_congestion COMMENT 'The newest score of each segment at each horizon, beside its speed now.' AS
WITH last_day AS (  -- of each city: one may be live and another a replay of an old month
  SELECT source, CAST(max(window_start) AT TIME ZONE 'UTC' AS DATE) AS window_date
  FROM gold.network_kpi GROUP BY source
), newest AS (
  SELECT score.source, segment_id, horizon_minutes, max(window_start) AS window_start
  FROM gold.congestion_scores AS score JOIN last_day ON last_day.source = score.source
  WHERE score.window_date > last_day.window_date - INTERVAL '2' DAY
  GROUP BY score.source, segment_id, horizon_minutes
)
SELECT
  score.source, score.segment_id, segment.name AS road, score.window_start,
  score.horizon_minutes, score.target_start, score.congestion_probability,
  metric.speed_kmh_mean AS speed_kmh_now, score.speed_kmh_predicted,
  segment.free_flow_speed_kmh, metric.congestion_level, score.is_final, score.model_version,
  score.scored_at
FROM newest
JOIN gold.congestion_scores AS score
  ON score.segment_id = newest.segment_id
  AND score.horizon_minutes = newest.horizon_minutes
  AND score.window_start = newest.window_start
  AND score.window_date = CAST(newest.window_start AT TIME ZONE 'UTC' AS DATE)
JOIN silver.road_segment AS segment ON segment.segment_id = score.segment_id
LEFT JOIN silver.segment_metric AS metric
  ON metric.segment_id = score.segment_id
  AND metric.window_start = score.window_start
  AND metric.window_date = score.window_date
  AND metric.window_seconds = 300;
COMMENT ON COLUMN gold.current_congestion.source IS 'Source of the segment.';
COMMENT ON COLUMN gold.current_congestion.segment_id IS 'Road segment.';
COMMENT ON COLUMN gold.current_congestion.road IS 'Road name.';
COMMENT ON COLUMN gold.current_congestion.window_start IS 'Newest window with a score (UTC).';
COMMENT ON COLUMN gold.current_congestion.horizon_minutes IS 'From window_start to target_start. [min]';
COMMENT ON COLUMN gold.current_congestion.target_start IS 'Start of the window that is predicted (UTC).';
COMMENT ON COLUMN gold.current_congestion.congestion_probability IS 'Calibrated probability that the target window is congested. [ratio]';
COMMENT ON COLUMN gold.current_congestion.speed_kmh_now IS 'Mean speed in the window; null without an observation. [km/h]';
COMMENT ON COLUMN gold.current_congestion.speed_kmh_predicted IS 'Expected mean speed in the target window. [km/h]';
COMMENT ON COLUMN gold.current_congestion.free_flow_speed_kmh IS 'Speed in free flow. [km/h]';
COMMENT ON COLUMN gold.current_congestion.congestion_level IS 'Level now; null without an observation.';
COMMENT ON COLUMN gold.current_congestion.is_final IS 'The window takes no more readings.';
COMMENT ON COLUMN gold.current_congestion.model_version IS 'Version of the model that scored.';
COMMENT ON COLUMN gold.current_congestion.scored_at IS 'When the score was made (UTC).';


CREATE OR REPLACE VIEW gold.delay_by_road COMMENT 'Delay against free flow on each segment and local day.' AS
WITH daily AS (
  SELECT
    segment_id, local_date, count(*) AS window_count, avg(delay_s) AS delay_s_mean,
    max(delay_s) AS delay_s_max, sum(vehicle_delay_h) AS vehicle_delay_h_total
  FROM silver.segment_metric
  WHERE window_seconds = 300 AND delay_s IS NOT NULL
  GROUP BY segment_id, local_date
)
SELECT
  segment.source, segment.segment_id, segment.name AS road, local_date, segment.length_m,
  window_count, delay_s_mean, delay_s_mean / nullif(segment.length_m, 0) * 1000 AS delay_s_per_km,
  delay_s_max, vehicle_delay_h_total
FROM daily JOIN silver.road_segment AS segment ON segment.segment_id = daily.segment_id;
COMMENT ON COLUMN gold.delay_by_road.source IS 'Source of the segment.';
COMMENT ON COLUMN gold.delay_by_road.segment_id IS 'Road segment.';
COMMENT ON COLUMN gold.delay_by_road.road IS 'Road name.';
COMMENT ON COLUMN gold.delay_by_road.local_date IS 'Day in the city''s zone.';
COMMENT ON COLUMN gold.delay_by_road.length_m IS 'Length; a lower bound where the shape is cut off. [m]';
COMMENT ON COLUMN gold.delay_by_road.window_count IS 'Windows with a delay.';
COMMENT ON COLUMN gold.delay_by_road.delay_s_mean IS 'Delay of one vehicle, mean over the day''s windows. [s]';
COMMENT ON COLUMN gold.delay_by_road.delay_s_per_km IS 'That delay on each kilometre. [s]';
COMMENT ON COLUMN gold.delay_by_road.delay_s_max IS 'Worst window. [s]';
COMMENT ON COLUMN gold.delay_by_road.vehicle_delay_h_total IS 'Delay of all counted vehicles; null where the source does not count. [h]';


CREATE OR REPLACE VIEW gold.hour_of_week_profile COMMENT 'How each segment usually runs at each hour of the week, in the city''s own time.' AS
WITH profile AS (
  SELECT
    segment_id, day_of_week(local_date) AS day_of_week, local_hour, count(*) AS window_count,
    avg(speed_kmh_mean) AS speed_kmh_mean, count_if(is_congested) * 1e0 / count(*) AS congested_ratio
  FROM silver.segment_metric
  WHERE window_seconds = 300 AND speed_kmh_mean IS NOT NULL
  GROUP BY segment_id, day_of_week(local_date), local_hour
)
SELECT
  segment.source, segment.segment_id, segment.name AS road, day_of_week,
  CAST(local_hour AS bigint) AS hour_of_day, window_count, speed_kmh_mean,
  speed_kmh_mean / segment.free_flow_speed_kmh AS speed_ratio_mean, congested_ratio
FROM profile JOIN silver.road_segment AS segment ON segment.segment_id = profile.segment_id;
COMMENT ON COLUMN gold.hour_of_week_profile.source IS 'Source of the segment.';
COMMENT ON COLUMN gold.hour_of_week_profile.segment_id IS 'Road segment.';
COMMENT ON COLUMN gold.hour_of_week_profile.road IS 'Road name.';
COMMENT ON COLUMN gold.hour_of_week_profile.day_of_week IS '1 Monday to 7 Sunday, in the city''s zone.';
COMMENT ON COLUMN gold.hour_of_week_profile.hour_of_day IS '0 to 23, in the city''s zone.';
COMMENT ON COLUMN gold.hour_of_week_profile.window_count IS 'Observed windows.';
COMMENT ON COLUMN gold.hour_of_week_profile.speed_kmh_mean IS 'Mean of the windows'' mean speeds. [km/h]';
COMMENT ON COLUMN gold.hour_of_week_profile.speed_ratio_mean IS 'That mean over the speed in free flow. [ratio]';
COMMENT ON COLUMN gold.hour_of_week_profile.congested_ratio IS 'Share of the observed windows that were congested. [ratio]';


CREATE OR REPLACE VIEW gold.model_quality_by_day COMMENT 'How scores did once their target was observed, beside persistence on the same rows.' AS
WITH seen_now AS (
  SELECT segment_id, window_start, window_date, is_congested
  FROM silver.segment_metric
  WHERE window_seconds = 300 AND observation_count > 0
), seen_then AS (
  SELECT segment_id, window_start, window_date, is_congested, speed_kmh_mean
  FROM silver.segment_metric
  WHERE ((source NOT IN ('aarhus') AND window_seconds = 300) OR (source = 'aarhus' AND vehicle_count >= 3 AND window_seconds = 900)) AND observation_count > 0
), outcome AS (
  SELECT
    score.source, score.window_date, score.horizon_minutes, score.model_name,
    score.model_version, score.congestion_probability AS p,
    IF(target.is_congested, 1e0, 0e0) AS y, IF(now.is_congested, 1e0, 0e0) AS y_now,
    abs(score.speed_kmh_predicted - target.speed_kmh_mean) AS miss_kmh
  FROM gold.congestion_scores AS score
  JOIN seen_then AS target
    ON target.segment_id = score.segment_id AND target.window_start = score.target_start
    AND target.window_date = CAST(score.target_start AT TIME ZONE 'UTC' AS DATE)
  JOIN seen_now AS now
    ON now.segment_id = score.segment_id AND now.window_start = score.window_start
    AND now.window_date = score.window_date
  WHERE target.is_congested IS NOT NULL AND now.is_congested IS NOT NULL
), tied AS (
  SELECT
    source, window_date, horizon_minutes, model_name, model_version, p,
    count(*) AS n, sum(y) AS positives, sum((p - y) * (p - y)) AS squares,
    sum((y_now - y) * (y_now - y)) AS squares_now, sum(miss_kmh) AS miss_kmh_sum
  FROM outcome
  GROUP BY source, window_date, horizon_minutes, model_name, model_version, p
), ranked AS (
  SELECT *, sum(n - positives) OVER (
    PARTITION BY source, window_date, horizon_minutes, model_name, model_version ORDER BY p
  ) - (n - positives) / 2 AS negatives_below
  FROM tied
)
SELECT
  source, window_date, horizon_minutes, model_name, model_version,
  CAST(sum(n) AS BIGINT) AS score_count, sum(positives) / sum(n) AS congested_ratio,
  sum(squares) / sum(n) AS brier, sum(squares_now) / sum(n) AS brier_persistence,
  1 - sum(squares) / nullif(sum(squares_now), 0) AS brier_skill,
  sum(positives * negatives_below)
    / nullif(sum(positives) * (sum(n) - sum(positives)), 0) AS auroc,
  sum(miss_kmh_sum) / sum(n) AS speed_kmh_mae
FROM ranked
GROUP BY source, window_date, horizon_minutes, model_name, model_version;
COMMENT ON COLUMN gold.model_quality_by_day.source IS 'Source of the segments.';
COMMENT ON COLUMN gold.model_quality_by_day.window_date IS 'Day that the scores stand at (UTC).';
COMMENT ON COLUMN gold.model_quality_by_day.horizon_minutes IS 'Horizon of the scores. [min]';
COMMENT ON COLUMN gold.model_quality_by_day.model_name IS 'Registered model.';
COMMENT ON COLUMN gold.model_quality_by_day.model_version IS 'Its version.';
COMMENT ON COLUMN gold.model_quality_by_day.score_count IS 'Scores whose own window and target were both observed.';
COMMENT ON COLUMN gold.model_quality_by_day.congested_ratio IS 'Share of the targets that were congested. [ratio]';
COMMENT ON COLUMN gold.model_quality_by_day.brier IS 'Mean squared error of the probability; 0 is perfect.';
COMMENT ON COLUMN gold.model_quality_by_day.brier_persistence IS 'The same of saying that it stays as it is.';
COMMENT ON COLUMN gold.model_quality_by_day.brier_skill IS 'Share of persistence''s Brier score that the model takes away (Murphy 1973).';
COMMENT ON COLUMN gold.model_quality_by_day.auroc IS 'Probability that a congested target was scored above another one; ties count half.';
COMMENT ON COLUMN gold.model_quality_by_day.speed_kmh_mae IS 'Mean absolute error of the predicted speed. [km/h]';


CREATE OR REPLACE VIEW gold.shadow_score_believed COMMENT 'Rows of gold.shadow_score with those that a correction replaced, and when each was believed. What the stream said of a window that was open is there in its last form.' AS
SELECT
  segment_id, source, window_start, window_date, horizon_minutes, target_start,
  congestion_probability, speed_kmh_predicted, speed_kmh_low, speed_kmh_high, model_name,
  model_version, is_final, revision, kafka_timestamp_max, scored_at,
  scored_at AS believed_from,
  lead(scored_at) OVER (
    PARTITION BY segment_id, window_start, horizon_minutes, model_version, window_date ORDER BY scored_at, revision
  ) AS believed_until
FROM (
  SELECT segment_id, source, window_start, window_date, horizon_minutes, target_start,
  congestion_probability, speed_kmh_predicted, speed_kmh_low, speed_kmh_high, model_name,
  model_version, is_final, revision, kafka_timestamp_max, scored_at
  FROM gold.shadow_score
  UNION ALL
  SELECT segment_id, source, window_start, window_date, horizon_minutes, target_start,
  congestion_probability, speed_kmh_predicted, speed_kmh_low, speed_kmh_high, model_name,
  model_version, is_final, revision, kafka_timestamp_max, scored_at
  FROM gold.shadow_score_history
);
COMMENT ON COLUMN gold.shadow_score_believed.segment_id IS 'Road segment.';
COMMENT ON COLUMN gold.shadow_score_believed.source IS 'Source of the segment.';
COMMENT ON COLUMN gold.shadow_score_believed.window_start IS 'Window the score stands at (UTC).';
COMMENT ON COLUMN gold.shadow_score_believed.window_date IS 'Day of window_start (UTC).';
COMMENT ON COLUMN gold.shadow_score_believed.horizon_minutes IS 'From window_start to the target window''s start. [min]';
COMMENT ON COLUMN gold.shadow_score_believed.target_start IS 'Start of the window that is predicted (UTC).';
COMMENT ON COLUMN gold.shadow_score_believed.congestion_probability IS 'Calibrated probability that the target window is congested. [ratio]';
COMMENT ON COLUMN gold.shadow_score_believed.speed_kmh_predicted IS 'Expected mean speed in the target window. [km/h]';
COMMENT ON COLUMN gold.shadow_score_believed.speed_kmh_low IS 'Lower end of the interval that holds the mean speed four times in five. [km/h]';
COMMENT ON COLUMN gold.shadow_score_believed.speed_kmh_high IS 'Upper end of that interval. [km/h]';
COMMENT ON COLUMN gold.shadow_score_believed.model_name IS 'Registered model.';
COMMENT ON COLUMN gold.shadow_score_believed.model_version IS 'Its version.';
COMMENT ON COLUMN gold.shadow_score_believed.is_final IS 'The window it stands at is final.';
COMMENT ON COLUMN gold.shadow_score_believed.revision IS 'Revision of the silver row it was scored from.';
COMMENT ON COLUMN gold.shadow_score_believed.kafka_timestamp_max IS 'Newest Kafka timestamp among the window''s events (UTC).';
COMMENT ON COLUMN gold.shadow_score_believed.scored_at IS 'When the score was made (UTC).';
COMMENT ON COLUMN gold.shadow_score_believed.believed_from IS 'When the row was committed (UTC).';
COMMENT ON COLUMN gold.shadow_score_believed.believed_until IS 'When another took its place (UTC); null while it stands.';


CREATE OR REPLACE VIEW ops.dead_letter_by_reason COMMENT 'Records that were refused, by the rule they broke and the day; a record that broke two rules counts under both.' AS
SELECT
  CAST(letter.failed_at AT TIME ZONE 'UTC' AS DATE) AS failed_date, letter.topic, r.rule_id,
  count(*) AS record_count, count(letter.resolved_at) AS resolved_count,
  min(letter.failed_at) AS first_failed_at, max(letter.failed_at) AS last_failed_at,
  min(letter.reason) AS example_reason
FROM bronze.dead_letter AS letter
CROSS JOIN UNNEST(letter.rule_ids) AS r (rule_id)
GROUP BY CAST(letter.failed_at AT TIME ZONE 'UTC' AS DATE), letter.topic, r.rule_id;
COMMENT ON COLUMN ops.dead_letter_by_reason.failed_date IS 'Day of the verdict (UTC).';
COMMENT ON COLUMN ops.dead_letter_by_reason.topic IS 'Kafka topic.';
COMMENT ON COLUMN ops.dead_letter_by_reason.rule_id IS 'Rule of the topic''s or the table''s spec.';
COMMENT ON COLUMN ops.dead_letter_by_reason.record_count IS 'Records that broke it.';
COMMENT ON COLUMN ops.dead_letter_by_reason.resolved_count IS 'Of these, landed by a replay since.';
COMMENT ON COLUMN ops.dead_letter_by_reason.first_failed_at IS 'First verdict of the day (UTC).';
COMMENT ON COLUMN ops.dead_letter_by_reason.last_failed_at IS 'Last verdict of the day (UTC).';
COMMENT ON COLUMN ops.dead_letter_by_reason.example_reason IS 'What one of them was told.';


CREATE OR REPLACE VIEW ops.freshness_by_hop COMMENT 'How long readings took from Kafka to the commits of bronze, silver and gold, by hour of their Kafka timestamp.' AS
WITH landing AS (
  SELECT
    ledger.table_version, ledger.committed_at AS bronze_at,
    CAST(o.partition AS INTEGER) AS partition,
    CAST(split_part(o.range, '-', 1) AS BIGINT) AS first_offset
  FROM ops.ledger AS ledger
  CROSS JOIN UNNEST(ledger.offsets) AS o (partition, range)
  WHERE ledger.table_name = 'bronze.traffic_event'
), taken AS (
  SELECT
    v.table_version,
    min(ledger.committed_at) FILTER (WHERE table_name = 'silver.segment_metric') AS silver_at,
    min(ledger.committed_at) FILTER (WHERE table_name = 'gold.congestion_scores') AS gold_at
  FROM ops.ledger AS ledger
  CROSS JOIN UNNEST(
    sequence(source_version_first, greatest(source_version_first, source_version_last))
  ) AS v (table_version)
  WHERE job = 'stream' AND source_version_last >= source_version_first
  GROUP BY v.table_version
), mixed AS (
  SELECT
    partition, offset AS place, kafka_timestamp AS sent, landed_at,
    CAST(NULL AS BIGINT) AS table_version
  FROM bronze.traffic_event
  UNION ALL
  SELECT partition, first_offset, NULL, NULL, table_version FROM landing
), reading AS (
  -- Versions grow with offsets. A running maximum takes one pass; last_value IGNORE NULLS looks
  -- back over all readings of a commit, for each.
  SELECT sent, landed_at, max(table_version) OVER (
    PARTITION BY partition ORDER BY place, sent NULLS FIRST
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS table_version
  FROM mixed
), hop AS (
  SELECT
    date_trunc('hour', reading.sent) AS hour_start,
    date_diff('millisecond', reading.sent, landing.bronze_at) / 1e3 AS bronze_s,
    date_diff('millisecond', landing.bronze_at, taken.silver_at) / 1e3 AS silver_s,
    date_diff('millisecond', taken.silver_at, taken.gold_at) / 1e3 AS gold_s,
    date_diff('millisecond', reading.sent, taken.gold_at) / 1e3 AS total_s
  FROM reading
  JOIN taken ON taken.table_version = reading.table_version
  JOIN (SELECT DISTINCT table_version, bronze_at FROM landing) AS landing
    ON landing.table_version = reading.table_version
  WHERE reading.sent IS NOT NULL AND taken.gold_at IS NOT NULL
    AND reading.landed_at <= landing.bronze_at  -- a dead letter that was replayed came later
)
SELECT
  hour_start, count(*) AS reading_count,
  approx_percentile(bronze_s, 0.5) AS bronze_s_p50, approx_percentile(bronze_s, 0.95) AS bronze_s_p95,
  approx_percentile(silver_s, 0.5) AS silver_s_p50, approx_percentile(silver_s, 0.95) AS silver_s_p95,
  approx_percentile(gold_s, 0.5) AS gold_s_p50, approx_percentile(gold_s, 0.95) AS gold_s_p95,
  approx_percentile(total_s, 0.5) AS total_s_p50, approx_percentile(total_s, 0.95) AS total_s_p95
FROM hop
GROUP BY hour_start;
COMMENT ON COLUMN ops.freshness_by_hop.hour_start IS 'Hour of the Kafka timestamp (UTC).';
COMMENT ON COLUMN ops.freshness_by_hop.reading_count IS 'Readings that the stream has taken to gold.';
COMMENT ON COLUMN ops.freshness_by_hop.bronze_s_p50 IS 'Kafka timestamp to bronze commit, median. [s]';
COMMENT ON COLUMN ops.freshness_by_hop.bronze_s_p95 IS 'Kafka timestamp to bronze commit, 95th percentile. [s]';
COMMENT ON COLUMN ops.freshness_by_hop.silver_s_p50 IS 'Bronze commit to silver commit, median. [s]';
COMMENT ON COLUMN ops.freshness_by_hop.silver_s_p95 IS 'Bronze commit to silver commit, 95th percentile. [s]';
COMMENT ON COLUMN ops.freshness_by_hop.gold_s_p50 IS 'Silver commit to gold commit, median. [s]';
COMMENT ON COLUMN ops.freshness_by_hop.gold_s_p95 IS 'Silver commit to gold commit, 95th percentile. [s]';
COMMENT ON COLUMN ops.freshness_by_hop.total_s_p50 IS 'Kafka timestamp to gold commit, median. [s]';
COMMENT ON COLUMN ops.freshness_by_hop.total_s_p95 IS 'Kafka timestamp to gold commit, 95th percentile. [s]';


CREATE OR REPLACE VIEW silver.segment_metric_believed COMMENT 'Rows of silver.segment_metric with those that a correction replaced, and when each was believed. What the stream said of a window that was open is there in its last form.' AS
SELECT
  segment_id, source, window_seconds, window_start, window_end, window_date, local_date,
  local_hour, event_count, observation_count, vehicle_count, speed_kmh_mean,
  speed_kmh_harmonic, speed_kmh_min, speed_kmh_max, speed_kmh_stddev, speed_kmh_p15,
  speed_kmh_p50, speed_kmh_p85, occupancy_ratio_mean, travel_time_s_mean, travel_time_index,
  delay_s, vehicle_delay_h, congestion_level, is_congested, completeness_ratio,
  detector_health, anomalies, is_final, revision, kafka_timestamp_max, committed_at,
  committed_at AS believed_from,
  lead(committed_at) OVER (
    PARTITION BY segment_id, window_seconds, window_start, window_date ORDER BY committed_at, revision
  ) AS believed_until
FROM (
  SELECT segment_id, source, window_seconds, window_start, window_end, window_date, local_date,
  local_hour, event_count, observation_count, vehicle_count, speed_kmh_mean,
  speed_kmh_harmonic, speed_kmh_min, speed_kmh_max, speed_kmh_stddev, speed_kmh_p15,
  speed_kmh_p50, speed_kmh_p85, occupancy_ratio_mean, travel_time_s_mean, travel_time_index,
  delay_s, vehicle_delay_h, congestion_level, is_congested, completeness_ratio,
  detector_health, anomalies, is_final, revision, kafka_timestamp_max, committed_at
  FROM silver.segment_metric
  UNION ALL
  SELECT segment_id, source, window_seconds, window_start, window_end, window_date, local_date,
  local_hour, event_count, observation_count, vehicle_count, speed_kmh_mean,
  speed_kmh_harmonic, speed_kmh_min, speed_kmh_max, speed_kmh_stddev, speed_kmh_p15,
  speed_kmh_p50, speed_kmh_p85, occupancy_ratio_mean, travel_time_s_mean, travel_time_index,
  delay_s, vehicle_delay_h, congestion_level, is_congested, completeness_ratio,
  detector_health, anomalies, is_final, revision, kafka_timestamp_max, committed_at
  FROM silver.segment_metric_history
);
COMMENT ON COLUMN silver.segment_metric_believed.segment_id IS 'Road segment.';
COMMENT ON COLUMN silver.segment_metric_believed.source IS 'Source of the segment.';
COMMENT ON COLUMN silver.segment_metric_believed.window_seconds IS 'Length of the window. [s]';
COMMENT ON COLUMN silver.segment_metric_believed.window_start IS 'First moment of the window (UTC, included).';
COMMENT ON COLUMN silver.segment_metric_believed.window_end IS 'First moment after the window (UTC, excluded).';
COMMENT ON COLUMN silver.segment_metric_believed.window_date IS 'Day of window_start (UTC).';
COMMENT ON COLUMN silver.segment_metric_believed.local_date IS 'Day of window_start in the city''s zone.';
COMMENT ON COLUMN silver.segment_metric_believed.local_hour IS 'Hour of window_start in the city''s zone, 0 to 23.';
COMMENT ON COLUMN silver.segment_metric_believed.event_count IS 'Distinct accepted events. [events]';
COMMENT ON COLUMN silver.segment_metric_believed.observation_count IS 'Events with status ok. [events]';
COMMENT ON COLUMN silver.segment_metric_believed.vehicle_count IS 'Vehicles counted; null where the source does not count. [vehicles]';
COMMENT ON COLUMN silver.segment_metric_believed.speed_kmh_mean IS 'Arithmetic mean speed of the observations. [km/h]';
COMMENT ON COLUMN silver.segment_metric_believed.speed_kmh_harmonic IS 'Flow-weighted harmonic mean speed (space mean). [km/h]';
COMMENT ON COLUMN silver.segment_metric_believed.speed_kmh_min IS 'Lowest speed. [km/h]';
COMMENT ON COLUMN silver.segment_metric_believed.speed_kmh_max IS 'Highest speed. [km/h]';
COMMENT ON COLUMN silver.segment_metric_believed.speed_kmh_stddev IS 'Population standard deviation of speed. [km/h]';
COMMENT ON COLUMN silver.segment_metric_believed.speed_kmh_p15 IS '15th percentile of speed. [km/h]';
COMMENT ON COLUMN silver.segment_metric_believed.speed_kmh_p50 IS 'Median speed. [km/h]';
COMMENT ON COLUMN silver.segment_metric_believed.speed_kmh_p85 IS '85th percentile of speed. [km/h]';
COMMENT ON COLUMN silver.segment_metric_believed.occupancy_ratio_mean IS 'Mean occupancy of the observations. [ratio]';
COMMENT ON COLUMN silver.segment_metric_believed.travel_time_s_mean IS 'Mean travel time of the observations. [s]';
COMMENT ON COLUMN silver.segment_metric_believed.travel_time_index IS 'Travel time over free-flow travel time. [ratio]';
COMMENT ON COLUMN silver.segment_metric_believed.delay_s IS 'Delay of one vehicle on the segment against free flow. [s]';
COMMENT ON COLUMN silver.segment_metric_believed.vehicle_delay_h IS 'Delay of all counted vehicles against free flow. [h]';
COMMENT ON COLUMN silver.segment_metric_believed.congestion_level IS 'Level of speed over free-flow speed; null without an observation.';
COMMENT ON COLUMN silver.segment_metric_believed.is_congested IS 'The label rule of ml.yaml; null without an observation.';
COMMENT ON COLUMN silver.segment_metric_believed.completeness_ratio IS 'Observations over those the interval promises, at most 1. [ratio]';
COMMENT ON COLUMN silver.segment_metric_believed.detector_health IS 'Detector-health rules that fired.';
COMMENT ON COLUMN silver.segment_metric_believed.anomalies IS 'Anomaly rules that fired.';
COMMENT ON COLUMN silver.segment_metric_believed.is_final IS 'The watermark has passed window_end.';
COMMENT ON COLUMN silver.segment_metric_believed.revision IS '0 from the stream; one more with each correction.';
COMMENT ON COLUMN silver.segment_metric_believed.kafka_timestamp_max IS 'Newest Kafka timestamp among the events (UTC).';
COMMENT ON COLUMN silver.segment_metric_believed.committed_at IS 'When this row was handed to the commit (UTC).';
COMMENT ON COLUMN silver.segment_metric_believed.believed_from IS 'When the row was committed (UTC).';
COMMENT ON COLUMN silver.segment_metric_believed.believed_until IS 'When another took its place (UTC); null while it stands.';

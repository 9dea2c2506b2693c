"""SQL of silver's recomputation: one day's windows from the rows of bronze. Text in, text out.

It shares the spec's expressions with the stream and nothing else: no line of its code, neither its
engine for the sums nor the way it packs a histogram.
"""

from datetime import date, timedelta

from specs.loader import Specs
from specs.transforms import CongestionLevel, FlagRule, Percentile, TransformSpec

MICROS = 1_000_000
GROUP = "segment_id, window_seconds, start_micros"


def _first_copies(low: date, high: date) -> str:
    """Each event once; of those delivered again the first copy, with both ends of its stamps."""
    days = f"event_date BETWEEN DATE '{low}' AND DATE '{high}'"
    return f"""
        once AS (
            SELECT * EXCLUDE (raw_value), kafka_timestamp AS kafka_low,
                kafka_timestamp AS kafka_high
            FROM bronze ANTI JOIN repeated USING (event_id) WHERE {days}
        ),
        again AS (
            SELECT * EXCLUDE (raw_value),
                min(kafka_timestamp) OVER (PARTITION BY event_id) AS kafka_low,
                max(kafka_timestamp) OVER (PARTITION BY event_id) AS kafka_high
            FROM bronze SEMI JOIN repeated USING (event_id) WHERE {days}
            QUALIFY row_number() OVER (
                PARTITION BY event_id ORDER BY landed_at, kafka_timestamp, "offset") = 1
        ),
        events AS (SELECT * FROM once UNION ALL BY NAME SELECT * FROM again)
    """


def _windows(spec: TransformSpec) -> str:
    """One row for each kind of window and step back that a reading belongs to."""
    rows = [
        f"({window.size_seconds}::INTEGER, {window.slide_seconds * MICROS}::BIGINT, {step}::BIGINT)"
        for window in spec.windows
        for step in range(window.size_seconds // window.slide_seconds)
    ]
    return f"(VALUES {', '.join(rows)}) AS kind(window_seconds, slide, step)"


def _value_at(rank: str) -> str:
    """The value of that rank, from 0, among those of the row's bin; null in another bin."""
    inside = f"reached - held <= {rank} AND {rank} < reached"
    return f"CASE WHEN {inside} THEN bin + ({rank} - (reached - held) + 0.5) / held END"


def _rank(percentile: Percentile) -> tuple[str, str, str]:
    """Exact rank, and the ranks of the two values that it falls between."""
    exact = f"{percentile.quantile}::DOUBLE * (total - 1)"
    return exact, f"floor({exact})", f"least(floor({exact}) + 1, total - 1)"


def _percentiles(spec: TransformSpec) -> tuple[str, str]:
    """Columns of the bins' summary, and those of the percentiles made of them."""
    inner, made = [], []
    low, high = spec.histogram.lowest, spec.histogram.highest
    for place, percentile in enumerate(spec.percentiles):
        exact, below, above = _rank(percentile)
        ends = []
        for end, rank in (("below", below), ("above", above)):
            name = f"{end}_{place}"
            inner.append(f"max({_value_at(rank)}) * {spec.histogram.bin_width} AS {name}")
            ends.append(
                f"CASE WHEN {rank} = 0 THEN {low} WHEN {rank} = total - 1 THEN {high}"
                f" ELSE least(greatest({name}, {low}), {high}) END"
            )
        fraction = f"({exact} - {below})"
        made.append(f"({ends[0]}) + {fraction} * (({ends[1]}) - ({ends[0]})) AS {percentile.name}")
    return ", ".join(inner), ", ".join(made)


def _level(levels: tuple[CongestionLevel, ...]) -> str:
    cases = [f"WHEN speed_ratio < {one.below} THEN '{one.level}'" for one in levels[:-1]]
    named = f"CASE {' '.join(cases)} ELSE '{levels[-1].level}' END"
    return f"CASE WHEN speed_ratio IS NOT NULL THEN {named} END"


def _flags(rules: tuple[FlagRule, ...]) -> str:
    raised = ", ".join(f"CASE WHEN {rule.when} THEN '{rule.id}' END" for rule in rules)
    return f"list_filter([{raised}]::VARCHAR[], lambda flag: flag IS NOT NULL)"


def expected_metric(specs: Specs, day: date) -> str:
    """Query of silver's rows of one ``window_date``, with the bounds of kafka_timestamp_max.

    Reads ``bronze``, ``road`` and ``repeated``, the ids of events that were delivered again.
    """
    spec, label = specs.transforms, specs.ml.label
    longest = timedelta(seconds=max(window.size_seconds for window in spec.windows))
    last = day + timedelta(days=1) + longest
    first_micros = f"epoch_us(TIMESTAMPTZ '{day} 00:00:00+00')"
    past_micros = f"epoch_us(TIMESTAMPTZ '{day + timedelta(days=1)} 00:00:00+00')"
    measures = ", ".join(
        f"CASE WHEN {spec.observation} THEN {one.expr} END AS {one.name}" for one in spec.measures
    )
    aggregations = ", ".join(f"{one.expr} AS {one.name}" for one in spec.aggregations)
    histogram = spec.histogram
    inner, percentiles = _percentiles(spec)
    derived = ", ".join(f"{one.expr} AS {one.name}" for one in spec.derived)
    return f"""
        WITH {_first_copies(day, last)},
        measured AS (SELECT *, {measures} FROM events),
        placed AS (
            SELECT *, epoch_us(event_time) - epoch_us(event_time) % slide - step * slide
                AS start_micros
            FROM measured CROSS JOIN {_windows(spec)}
            WHERE start_micros >= {first_micros} AND start_micros < {past_micros}
        ),
        summed AS (
            SELECT {GROUP}, {aggregations}, max(kafka_low) AS kafka_low,
                max(kafka_high) AS kafka_high
            FROM placed GROUP BY {GROUP}
        ),
        bins AS (
            SELECT {GROUP}, least({histogram.measure} // {histogram.bin_width},
                {histogram.bins - 1}) AS bin, count(*) AS held
            FROM placed WHERE {histogram.measure} IS NOT NULL GROUP BY ALL
        ),
        ranked AS (
            SELECT *, sum(held) OVER (PARTITION BY {GROUP} ORDER BY bin) AS reached,
                sum(held) OVER (PARTITION BY {GROUP}) AS total
            FROM bins
        ),
        ends AS (
            SELECT {GROUP}, any_value(total)::BIGINT AS total, {inner} FROM ranked GROUP BY ALL
        ),
        rows AS (
            SELECT summed.*, {percentiles}
            FROM summed LEFT JOIN ends USING ({GROUP})
        )
        SELECT rows.*, road.source, road.length_m, road.free_flow_speed_kmh, road.interval_seconds,
            road.time_zone, make_timestamptz(start_micros) AS window_start,
            window_start + to_seconds(window_seconds) AS window_end,
            DATE '{day}' AS window_date,
            {derived},
            {_level(spec.congestion_levels)} AS congestion_level,
            {label.column} < {label.congested_below_ratio} * {label.reference} AS is_congested,
            {_flags(spec.detector_health)} AS detector_health,
            {_flags(spec.anomaly_rules)} AS anomalies
        FROM rows LEFT JOIN road USING (segment_id)
    """

"""Gold against silver and the model registry: whose score is it, and is it still the right one."""

from collections.abc import Set as AbstractSet

from lakehouse.audit.check import Check
from lakehouse.audit.evidence import Evidence
from lakehouse.audit.retention import without_days
from lakehouse.audit.silver import RELATIVE_TOLERANCE

ModelVersions = AbstractSet[tuple[str, int]]
"""Name and version of each model that the registry holds."""

SCORE = "concat_ws(' ', segment_id, window_start, horizon_minutes || ' min')"


def gold_checks(evidence: Evidence, models: ModelVersions | None) -> list[Check]:
    """Scores and network KPIs.

    Args:
        evidence: the tables.
        models: what the registry holds; None where no registry was asked.
    """
    primary = evidence.specs.transforms.primary.size_seconds
    evidence.keep("observed", f"SELECT * FROM silver WHERE window_seconds = {primary}")
    return [
        *([] if models is None else [_models_check(evidence, models)]),
        *_score_checks(evidence),
        _completeness_check(evidence),
        _freshness_check(evidence),
        *_kpi_checks(evidence),
    ]


def _models_check(evidence: Evidence, models: ModelVersions) -> Check:
    known = ", ".join(f"('{name}', {version})" for name, version in sorted(models))
    among = f"(model_name, model_version) IN ({known})" if known else "false"
    return evidence.faultless(
        "scores of a model version that the registry holds",
        evidence.one("SELECT count(*) FROM scores"),
        f"""SELECT {SCORE} || ' of ' || model_name || ' version ' || model_version
            FROM scores WHERE NOT {among}""",
    )


def _score_checks(evidence: Evidence) -> list[Check]:
    total = evidence.one("SELECT count(*) FROM scores")
    horizons = ", ".join(str(minutes) for minutes in evidence.specs.ml.horizons_minutes)
    return [
        evidence.faultless(
            "scores that stand there once, with a date and a target of their own window", total,
            f"""SELECT {SCORE} FROM scores GROUP BY segment_id, window_start, horizon_minutes
                HAVING count(*) > 1
                UNION ALL SELECT {SCORE} FROM scores
                WHERE horizon_minutes NOT IN ({horizons}) OR window_date != window_start::DATE
                    OR target_start != window_start + to_minutes(horizon_minutes)""",
        ),
        evidence.faultless(
            "scores of a window that silver has, of its own source", total,
            f"""SELECT {SCORE} FROM scores
                ANTI JOIN observed USING (segment_id, window_start, source)
                WHERE {without_days("window_date", "silver")}""",
        ),
        evidence.faultless(
            "scores within the bounds of a probability and a speed", total,
            f"""SELECT {SCORE} FROM scores
                WHERE NOT congestion_probability BETWEEN 0 AND 1 OR isnan(congestion_probability)
                    OR NOT speed_kmh_predicted BETWEEN 0 AND 250 OR isnan(speed_kmh_predicted)
                    OR model_version < 1 OR revision < 0""",
        ),
    ]  # fmt: skip


def _completeness_check(evidence: Evidence) -> Check:
    """From a city's first score on, and wherever a window's neighbours are scored, each row is.

    A window from before there was a model is owed none when its silver is recomputed.
    """
    owed = f"""
        WITH first AS (SELECT source, min(window_start) AS begins FROM scores GROUP BY source)
        SELECT segment_id, source, window_start FROM observed LEFT JOIN first USING (source)
        WHERE {without_days("window_date", "scores")} AND (
            committed_at > (SELECT min(scored_at) FROM scores)
                AND (begins IS NULL OR window_start >= begins)
            OR is_final AND (source, window_start) IN (SELECT source, window_start FROM scores))
    """
    horizons = len(evidence.specs.ml.horizons_minutes)
    evidence.keep("owed_scores", owed)
    return evidence.faultless(
        "windows with a score at every horizon",
        evidence.one("SELECT count(*) FROM owed_scores"),
        f"""SELECT concat_ws(' ', segment_id, window_start) FROM owed_scores
            LEFT JOIN scores USING (segment_id, window_start)
            GROUP BY segment_id, window_start HAVING count(horizon_minutes) < {horizons}""",
    )


def _freshness_check(evidence: Evidence) -> Check:
    """A score has seen no reading that its window has not, and is final only if the window is.

    A correction that changes no score leaves the score as it is, so an older stamp alone says
    nothing; for a window that was never corrected both stamps are one.
    """
    return evidence.faultless(
        "scores that stand on the window as silver has it",
        evidence.one("SELECT count(*) FROM scores"),
        f"""SELECT {SCORE} FROM scores JOIN observed USING (segment_id, window_start)
            WHERE scores.kafka_timestamp_max > observed.kafka_timestamp_max
                OR scores.is_final AND NOT observed.is_final
                OR observed.revision = 0 AND scores.revision = 0 AND (
                    scores.kafka_timestamp_max != observed.kafka_timestamp_max
                    OR scores.is_final != observed.is_final
                    OR scores.scored_at < observed.committed_at)""",
    )


def _kpi_checks(evidence: Evidence) -> list[Check]:
    specs = evidence.specs
    kpis = ", ".join(f"{kpi.expr} AS {kpi.name}" for kpi in specs.transforms.network_kpis)
    evidence.keep(
        "kpi_expected",
        f"SELECT source, window_start, {kpis} FROM observed GROUP BY source, window_start",
    )
    evidence.keep(
        "kpi_kept", f"SELECT * FROM kpi WHERE {without_days('window_start::DATE', 'silver')}"
    )
    removed = "(SELECT before FROM expired_rows WHERE view = 'kpi')"
    evidence.keep(
        "kpi_owed",
        f"""
        SELECT * FROM kpi_expected
        WHERE coalesce(window_start >= {removed}, true)
            OR (source, window_start) IN (SELECT source, window_start FROM kpi)
    """,
    )
    differs = []
    table = specs.tables["gold.network_kpi"]
    for column in table.columns:
        if column.stamp or column.name in table.key:
            continue
        ours, theirs = f"kpi_kept.{column.name}", f"kpi_owed.{column.name}"
        differs.append(
            f"({ours} IS NULL) != ({theirs} IS NULL) OR abs({ours} - {theirs})"
            f" > {RELATIVE_TOLERANCE} * greatest(abs({ours}), abs({theirs}), 1)"
            if column.type == "double" else f"{ours} IS DISTINCT FROM {theirs}"
        )  # fmt: skip
    key = "concat_ws(' ', source, window_start)"
    return [
        evidence.faultless(
            "network KPIs that stand there once",
            evidence.one("SELECT count(*) FROM kpi"),
            f"SELECT {key} FROM kpi GROUP BY source, window_start HAVING count(*) > 1",
        ),
        evidence.faultless(
            "network KPIs as recomputed from silver",
            evidence.one("""SELECT count(*) FROM kpi_kept FULL JOIN kpi_owed
                            USING (source, window_start)"""),
            f"""SELECT DISTINCT {key} FROM kpi_kept FULL JOIN kpi_owed USING (source, window_start)
                WHERE kpi_kept.segment_count IS NULL OR kpi_owed.segment_count IS NULL
                    OR {" OR ".join(differs)}""",
        ),
    ]

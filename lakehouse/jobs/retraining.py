"""What a decision to train is made on: the registry's newest version, new labels, live quality."""

from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc

from lakehouse.jobs.newest import newest_window, since_window
from lakehouse.tables import Lake
from ml.due import Standing
from ml.outcome import outcomes, quality_of
from ml.registry import CHALLENGER, alias_versions, newest_training, version_report

SILVER, SCORES = "silver.segment_metric", "gold.congestion_scores"


def standing(lake: Lake, tracking_uri: str) -> Standing:
    """Ask the registry and the tables.

    Raises:
        Unavailable: the registry does not answer.
    """
    newest = newest_training(tracking_uri, lake.specs)
    if newest is None:
        return Standing(None, 0, None)
    report = version_report(tracking_uri, lake.specs, newest)
    challenger = alias_versions(tracking_uri, lake.specs).get(CHALLENGER)
    since = challenger and version_report(tracking_uri, lake.specs, challenger).created_at
    known = datetime.fromisoformat(report.params["test_to"]).replace(tzinfo=UTC)
    lake.table(SILVER).refresh()
    labels, skill = _labels_after(lake, known), _live_skill(lake)
    return Standing(report.created_at, labels, skill, since or None)


def _labels_after(lake: Lake, known: datetime) -> int:
    """Observed primary windows of silver that start at ``known`` or later."""
    seconds = lake.specs.transforms.primary.size_seconds
    wanted = since_window(known) & (pc.field("window_seconds") == seconds)
    count: int = lake.table(SILVER).dataset().count_rows(
        filter=wanted & (pc.field("observation_count") > 0)
    )  # fmt: skip
    return count


def _live_skill(lake: Lake) -> float | None:
    """Least Brier skill of any horizon over the newest hours of scores that can be judged."""
    scores, silver = lake.table(SCORES), lake.table(SILVER)
    scores.refresh()
    newest = newest_window(scores)
    if newest is None:
        return None
    recent = since_window(newest - timedelta(hours=lake.specs.ops.retraining.skill_hours))
    judged = outcomes(scores.read(where=recent), silver.read(where=recent), lake.specs)
    skills = [quality.brier_skill for quality in quality_of(judged).values()]
    return min((skill for skill in skills if skill is not None), default=None)

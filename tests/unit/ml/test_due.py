"""A training is due by its age, by new labels and by live quality, and never too soon."""

from datetime import UTC, datetime, timedelta

import pytest

from ml.due import Standing, decide
from specs.ops import Retraining

NOW = datetime(2018, 3, 5, tzinfo=UTC)
POLICY = Retraining(
    min_interval_hours=6, max_interval_hours=160, trial_hours=72, min_new_labels=1000,
    min_brier_skill=0.05, skill_hours=24,
)  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "labels", "skill", "is_due"),
    [
        (None, 0, None, True),
        (5.9, 10**9, -1.0, False),
        (6, 1000, 0.3, True),
        (6, 999, 0.3, False),
        (6, 0, 0.049, True),
        (6, 0, 0.05, False),
        (6, 0, None, False),
        (159.9, 0, 0.3, False),
        (160, 0, 0.3, True),
    ],
)
def test_a_training_is_due_where_the_policy_says_so(
    hours: float | None, labels: int, skill: float | None, is_due: bool
) -> None:
    newest = None if hours is None else NOW - timedelta(hours=hours)
    assert decide(Standing(newest, labels, skill), POLICY, at=NOW).is_due is is_due


@pytest.mark.parametrize(("trial", "is_due"), [(7, False), (71.9, False), (72, True)])
def test_a_challenger_is_left_its_time(trial: float, is_due: bool) -> None:
    since = NOW - timedelta(hours=trial)
    decision = decide(Standing(since, 10**9, -1.0, since), POLICY, at=NOW)
    assert decision.is_due is is_due


def test_the_reason_names_both_numbers() -> None:
    standing = Standing(NOW - timedelta(hours=10), 0, 0.0123)
    assert decide(standing, POLICY, at=NOW).reason == (
        "live scores have a Brier skill of 0.012 against persistence, less than 0.05"
    )

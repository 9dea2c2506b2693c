"""When a training is worth it: not soon after the last one, and not for nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from specs.ops import Retraining


@dataclass(frozen=True)
class Standing:
    """What is known of the models, and of what they have not learnt from.

    Attributes:
        newest_at: when the newest training was registered, champion or not; None without any.
        new_labels: observed primary windows of silver after those the newest version knows.
        brier_skill: what the live scores of the last hours take away of persistence's Brier score,
            at the horizon where that is least; None where no score could be judged.
        challenger_at: since when the challenger of now scores in shadow; None without one.
    """

    newest_at: datetime | None
    new_labels: int
    brier_skill: float | None
    challenger_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to train, and why."""

    is_due: bool
    reason: str


def decide(standing: Standing, policy: Retraining, *, at: datetime) -> Decision:
    """Hold what is known against the policy; ``at`` is the moment of asking."""
    if standing.newest_at is None:
        return Decision(True, "there is no model yet")
    age = at - standing.newest_at
    too_soon = _too_soon(standing, policy, age, at)
    if too_soon is not None:
        return Decision(False, too_soon)
    worth = _worth(standing, policy, age)
    if worth is not None:
        return Decision(True, worth)
    return Decision(
        False, f"{_aged(age)}, with {standing.new_labels:,} new labels and live scores well"
    )


def _too_soon(standing: Standing, policy: Retraining, age: timedelta, at: datetime) -> str | None:
    """Why a training would come too soon after the last one; None where it would not."""
    if age < timedelta(hours=policy.min_interval_hours):
        return f"{_aged(age)}, less than {policy.min_interval_hours:g} h"
    if standing.challenger_at is not None:
        trial = at - standing.challenger_at
        if trial < timedelta(hours=policy.trial_hours):
            return f"a challenger is on trial for {_hours(trial)} of {policy.trial_hours:g} h"
    return None


def _worth(standing: Standing, policy: Retraining, age: timedelta) -> str | None:
    """What a training is worth it for; None where it is not."""
    if age >= timedelta(hours=policy.max_interval_hours):
        return f"{_aged(age)}, {policy.max_interval_hours:g} h or more"
    if standing.new_labels >= policy.min_new_labels:
        return f"{standing.new_labels:,} new labels, {policy.min_new_labels:,} or more"
    if standing.brier_skill is not None and standing.brier_skill < policy.min_brier_skill:
        return (
            f"live scores have a Brier skill of {standing.brier_skill:.3f}"
            f" against persistence, less than {policy.min_brier_skill:g}"
        )
    return None


def _aged(age: timedelta) -> str:
    return f"the newest training is {_hours(age)} old"


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):.1f} h"

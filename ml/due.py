"""When a training is worth it: not soon after the last one, and not for nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from specs.ops import Retraining


@dataclass(frozen=True)
class Standing:
    """What is known of the models, and of what they have not learnt from.

    Attributes:
        newest_at: when the newest version was registered, champion or not; None without any.
        new_labels: observed primary windows of silver after those the newest version knows.
        brier_skill: what the live scores of the last hours take away of persistence's Brier score,
            at the horizon where that is least; None where no score could be judged.
    """

    newest_at: datetime | None
    new_labels: int
    brier_skill: float | None


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
    hours = f"the newest version is {age / timedelta(hours=1):.1f} h old"
    if age < timedelta(hours=policy.min_interval_hours):
        return Decision(False, f"{hours}, less than {policy.min_interval_hours:g} h")
    if age >= timedelta(hours=policy.max_interval_hours):
        return Decision(True, f"{hours}, {policy.max_interval_hours:g} h or more")
    if standing.new_labels >= policy.min_new_labels:
        return Decision(
            True, f"{standing.new_labels:,} new labels, {policy.min_new_labels:,} or more"
        )
    if standing.brier_skill is not None and standing.brier_skill < policy.min_brier_skill:
        return Decision(
            True,
            f"live scores have a Brier skill of {standing.brier_skill:.3f}"
            f" against persistence, less than {policy.min_brier_skill:g}",
        )
    return Decision(False, f"{hours}, with {standing.new_labels:,} new labels and live scores well")

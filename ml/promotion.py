"""When a challenger may follow the champion, and when the champion has to go."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.columns import Floats, Integers
from ml.measures import Forecast, Outcome, measured
from ml.outcome import Quality
from specs.ml import Promotion, Rollback

MICROS_AN_HOUR = 3_600_000_000
KEY = ["segment_id", "window_start", "horizon_minutes"]


@dataclass(frozen=True)
class Duel:
    """Challenger against champion on the same live rows.

    ``brier_difference`` is the challenger's less the champion's, with its bootstrap interval over
    blocks of hours; None where there are too few.
    """

    row_count: int
    block_count: int
    brier_champion: float | None
    brier_challenger: float | None
    brier_difference: float | None
    difference_low: float | None
    difference_high: float | None
    calibration_champion: float | None
    calibration_challenger: float | None


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger may score, why not, and what was compared."""

    is_better: bool
    reasons: tuple[str, ...]
    duel: Duel

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


def duel(champion: pa.Table, challenger: pa.Table, rule: Promotion, seed: int) -> Duel:
    """Hold two models' outcomes against each other where both have one.

    Args:
        champion: rows of ``gold.score_outcome``.
        challenger: rows of that shape, made of its shadow scores.
        rule: length of a block and the interval.
        seed: of the bootstrap.
    """
    columns = [*KEY, "congestion_probability"]
    other = challenger.select(columns).rename_columns([*KEY, "probability_challenger"])
    both = champion.join(other, KEY, join_type="inner").sort_by(
        [(name, "ascending") for name in KEY]
    )
    happened = both["is_congested"].to_numpy()
    ours: Floats = both["congestion_probability"].to_numpy()
    theirs: Floats = both["probability_challenger"].to_numpy()
    started = both["window_start"].cast(pa.int64()).to_numpy()
    _, block = np.unique(started // (MICROS_AN_HOUR * rule.block_hours), return_inverse=True)
    speed = np.zeros(len(both))
    outcome = Outcome(happened, speed, happened)
    better = (theirs - happened) ** 2 - (ours - happened) ** 2
    low, high = _interval(better, block, rule, seed)
    return Duel(
        row_count=len(both),
        block_count=int(block.max()) + 1 if len(block) else 0,
        brier_champion=measured("brier", Forecast(ours, speed), outcome),
        brier_challenger=measured("brier", Forecast(theirs, speed), outcome),
        brier_difference=float(better.mean()) if len(better) else None,
        difference_low=low,
        difference_high=high,
        calibration_champion=measured("calibration_error", Forecast(ours, speed), outcome),
        calibration_challenger=measured("calibration_error", Forecast(theirs, speed), outcome),
    )


def _interval(
    values: Floats, block: Integers, rule: Promotion, seed: int
) -> tuple[float | None, float | None]:
    """Bootstrap interval of the mean over whole blocks."""
    if len(values) == 0 or int(block.max()) == 0:
        return None, None
    count = np.bincount(block).astype(np.float64)
    total = np.bincount(block, values)
    blocks = len(count)
    draws = np.random.default_rng(seed).multinomial(
        blocks, np.full(blocks, 1 / blocks), size=rule.bootstrap_samples
    )
    means = (draws @ total) / (draws @ count)
    tail = (1 - rule.interval) / 2
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    return low, high


def verdict(found: Duel, scoring_ms: float | None, rule: Promotion) -> Verdict:
    """Whether the challenger may follow the champion.

    Args:
        found: what live outcomes say.
        scoring_ms: what the registry says the challenger takes; None if it does not say.
        rule: the spec's.
    """
    reasons = []
    if found.row_count < rule.min_outcomes:
        reasons.append(
            f"{found.row_count} live outcomes of both; {rule.min_outcomes} are asked for"
        )
    if found.block_count < rule.min_blocks:
        reasons.append(
            f"outcomes of {found.block_count} blocks of {rule.block_hours} h; "
            f"{rule.min_blocks} are asked for"
        )
    if found.difference_high is None or found.difference_high >= 0:
        reasons.append(
            "its Brier score is not better beyond its interval "
            f"[{_shown(found.difference_low)}, {_shown(found.difference_high)}]"
        )
    ours, theirs = found.calibration_champion, found.calibration_challenger
    if ours is not None and theirs is not None and theirs > ours + rule.max_calibration_rise:
        reasons.append(f"its calibration error is {theirs:.4f}, the champion's {ours:.4f}")
    if scoring_ms is None or scoring_ms > rule.max_scoring_ms:
        took = "an unknown time" if scoring_ms is None else f"{scoring_ms:.0f} ms"
        reasons.append(f"10,000 rows take it {took}; {rule.max_scoring_ms} ms are allowed")
    return Verdict(not reasons, tuple(reasons), found)


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.5f}"


def must_go(quality: Mapping[int, Quality], rule: Rollback) -> str | None:
    """Why the champion has to go, by its outcomes over the rule's hours; None while it may stay."""
    for horizon, found in sorted(quality.items()):
        if found.row_count < rule.min_outcomes:
            continue
        if found.brier is None or found.brier_persistence is None:
            continue
        if found.brier > found.brier_persistence:
            return (
                f"{horizon} min ahead its Brier score over {rule.hours} h is {found.brier:.4f}, "
                f"that of persistence {found.brier_persistence:.4f} ({found.row_count} outcomes)"
            )
    return None


def since_hours(outcomes: pa.Table, hours: int) -> pa.Table:
    """Rows of the newest ``hours`` of a table with ``window_start``."""
    if not outcomes.num_rows:
        return outcomes
    started = outcomes["window_start"]
    newest = pc.max(started).cast(pa.int64()).as_py()
    oldest = pa.scalar(newest - hours * MICROS_AN_HOUR, pa.int64()).cast(started.type)
    return outcomes.filter(pc.greater(started, oldest))

"""The limit of dead letters: past it a lander stops instead of emptying the topic into them."""

import uuid
from collections import Counter, deque

from ingestion.judge import BRONZE, Judged
from quality.refusal import BatchRefused, GateResult
from specs.loader import Specs
from specs.ops import DeadLetterLimit


class DeadLetterBrake:
    """Follows the verdicts of one lander, record after record in the order it took them.

    A restart begins anew: whoever starts the lander again has looked at the reason.
    """

    def __init__(self, limit: DeadLetterLimit) -> None:
        """Nothing has been taken yet."""
        self._limit = limit
        self._seen = 0
        self._in_a_row = 0
        self._last_dead = -1
        self._recent: deque[int] = deque()

    def passed(self, judged: Judged) -> str | None:
        """Take a batch and say which bound of ops.yaml it passes, if it does.

        Returns:
            ``max_consecutive``, ``max_ratio`` or None. The ratio counts once so many records have
            been taken as it is a ratio of.
        """
        found = None
        for place in judged.dead_places:
            number = self._seen + place
            self._in_a_row = self._in_a_row + 1 if number == self._last_dead + 1 else 1
            self._last_dead = number
            self._recent.append(number)
            while self._recent[0] <= number - self._limit.ratio_window_records:
                self._recent.popleft()
            found = found or self._bound(number + 1)
        self._seen += judged.accepted.num_rows + judged.dead.num_rows
        return found

    def _bound(self, seen: int) -> str | None:
        if self._in_a_row > self._limit.max_consecutive:
            return "max_consecutive"
        window = self._limit.ratio_window_records
        if seen >= window and len(self._recent) > self._limit.max_ratio * window:
            return "max_ratio"
        return None


def flood(judged: Judged, bound: str, specs: Specs) -> BatchRefused:
    """The refusal of a batch that passes ``bound``."""
    topic, allowed = specs.topics["traffic_event"].topic, getattr(specs.ops.dead_letters, bound)
    count = judged.accepted.num_rows + judged.dead.num_rows
    result = GateResult(
        run_id=uuid.uuid4().hex, table_name=BRONZE, is_success=False, row_count=count,
        sample_count=0, duration_s=0.0, failed_ids=(f"dead_letters_{bound}",),
        spec_version=specs.version, details="{}",
    )  # fmt: skip
    rules = Counter(rule for ids in judged.dead["rule_ids"].to_pylist() for rule in ids)
    worst = ", ".join(f"{name} {times}" for name, times in rules.most_common(3))
    message = (
        f"{topic}: more dead letters than {bound} {allowed:g} of ops.yaml allows"
        f" ({judged.dead.num_rows} of this batch's {count} records: {worst}); nothing of the batch"
        " was committed. Mend the producer or the rule, or raise the limit, and start again;"
        f" ops.validation_result has run_id {result.run_id}"
    )
    return BatchRefused(message, result, judged.dead.slice(0, 0))

"""A lander stops before a flood of dead letters, and not before a few."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dead_letter_limit import DeadLetterBrake, flood
from ingestion.judge import Judge, Judged
from specs.errors import GateFailed
from specs.loader import load_specs
from specs.ops import DeadLetterLimit
from tests.kafka_record import KafkaRecord, event_json
from tests.unit.ingestion.test_judge import SEGMENTS

SPECS = load_specs()
JUDGE = Judge(SPECS)
LIMIT = DeadLetterLimit(max_ratio=0.5, ratio_window_records=10, max_consecutive=4)


def judged(verdicts: str) -> Judged:
    """A batch where each ``x`` is a dead letter and each ``.`` lands."""
    records = [
        KafkaRecord(b"" if verdict == "x" else event_json(event_id=f"e{number}"), number)
        for number, verdict in enumerate(verdicts)
    ]
    return JUDGE.judge(records, SEGMENTS, datetime(2018, 3, 5, tzinfo=UTC))


def stops_at(*batches: str) -> list[str | None]:
    brake = DeadLetterBrake(LIMIT)
    return [brake.passed(judged(batch)) for batch in batches]


def test_four_in_a_row_are_allowed_and_five_are_not() -> None:
    assert stops_at("xxxx.") == [None]
    assert stops_at("xxxxx") == ["max_consecutive"]


def test_a_run_goes_on_in_the_next_batch() -> None:
    assert stops_at("..xxx", "xx...") == [None, "max_consecutive"]
    assert stops_at("..xxx.", "xx...") == [None, None]


def test_half_of_the_last_ten_is_allowed_and_more_is_not() -> None:
    assert stops_at("x.x.x.x.x.x.x.") == [None]
    assert stops_at("x.x.x.x.xx") == ["max_ratio"]


def test_the_ratio_waits_for_as_many_records_as_it_is_a_ratio_of() -> None:
    assert stops_at("xx.xx.xx.") == [None]
    assert stops_at("xx.xx.xx.x") == ["max_ratio"]


def test_what_is_long_past_no_longer_counts() -> None:
    assert stops_at("xx.xx.", "xx.xx.") == [None, "max_ratio"]
    assert stops_at("xx.xx.", "..........", "xx.xx.") == [None] * 3


@given(verdicts=st.text("x.", min_size=1, max_size=40), cut=st.integers(0, 40))
def test_how_the_records_are_cut_into_batches_changes_nothing(verdicts: str, cut: int) -> None:
    parts = [part for part in (verdicts[:cut], verdicts[cut:]) if part]
    assert any(stops_at(*parts)) == any(stops_at(verdicts))


def test_the_refusal_says_what_came_and_what_to_do() -> None:
    refused = flood(judged("xx."), "max_consecutive", SPECS)
    assert isinstance(refused, GateFailed)
    assert "max_consecutive 5000" in str(refused)
    assert "2 of this batch's 3 records: value_present 2" in str(refused)
    assert refused.result.failed_ids == ("dead_letters_max_consecutive",)
    assert not refused.result.is_success
    with pytest.raises(GateFailed, match="nothing of the batch was committed"):
        raise refused

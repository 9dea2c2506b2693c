"""What the bench takes of Airflow's answers."""

from benchmarks.retrain import run_seconds


def test_a_run_counts_from_its_start_and_not_from_when_it_was_due() -> None:
    run = {
        "logical_date": "2018-03-12T03:00:00Z", "queued_at": "2018-03-19T04:00:00Z",
        "start_date": "2018-03-19T04:00:10.500000Z", "end_date": "2018-03-19T04:02:00Z",
    }  # fmt: skip
    assert run_seconds(run) == 109.5

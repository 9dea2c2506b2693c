"""DAG `dlq_triage`: what was refused, and why."""

from traffic_plan import command, planned

DOC = """
Counts the dead letters of the time since the last run by the rule that refused them, by source and
by whether a replay has landed them since. It opens no ticket and changes nothing: the result is in
the task's log and its XCom. A person looks with `traffic dlq list` and mends with
`traffic dlq replay`; see `traffic dlq --help`.
"""

with planned("dlq_triage", DOC):
    command(
        "summary", 'dlq summary --since "$SINCE" --until "$UNTIL" --json',
        env={
            "SINCE": "{{ data_interval_start.strftime('%Y-%m-%dT%H:%M:%S') }}",
            "UNTIL": "{{ data_interval_end.strftime('%Y-%m-%dT%H:%M:%S') }}",
        },
        doc_md="Dead letters by rule, source and state, as one JSON object.",
    )  # fmt: skip

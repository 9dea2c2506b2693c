"""DAG `quality_report`: the day's data quality, as pages that open without a network."""

from traffic_plan import command, planned

DOC = """
1. `docs`: Great Expectations' pages on every table.
2. `report`: one page on the day: gates by layer, dead letters by rule, detector health, and what
   was promised against what was measured (freshness, lag, balance).

Both are written below `.traffic/quality`; a day's report is written anew at each run.
"""

with planned("quality_report", DOC):
    docs = command("docs", "quality docs", doc_md="Great Expectations' pages.")
    report = command(
        "report", 'quality report --day "$DAY"', env={"DAY": "{{ data_interval_start | ds }}"},
        doc_md="The report of the day that the run stands for.",
    )  # fmt: skip
    docs >> report

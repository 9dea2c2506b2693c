"""Every SQL panel of Grafana, on the real Trino and the demo's tables."""

import re

import pytest

from lakehouse.dashboards.build import boards
from lakehouse.dashboards.panel import Sql
from lakehouse.trino.client import Client, Endpoint
from specs.loader import load_specs

DEMO_DAYS = "BETWEEN TIMESTAMP '2018-03-01 00:00:00' AND TIMESTAMP '2018-04-01 00:00:00'"
"""What Grafana makes of its macro when the demo's month is chosen."""

PANELS = {
    f"{board.uid}: {panel.title} {number}": (panel, question)
    for board in boards(load_specs()) for row in board.rows for panel in row
    for number, question in enumerate(panel.questions) if isinstance(question, Sql)
}  # fmt: skip


@pytest.mark.parametrize("name", PANELS)
def test_a_panels_sql_returns_what_the_panel_draws(trino: str, name: str) -> None:
    panel, question = PANELS[name]
    text = re.sub(r"\$__timeFilter\(([a-z_]+)\)", rf"\1 {DEMO_DAYS}", question.text)
    assert "$" not in text  # the user is the one that Grafana asks as
    with Client(Endpoint(trino, "superset")) as client, client.ask(text) as answer:
        columns, rows = [column.name for column in answer.columns], list(answer.rows)
    assert rows
    if panel.kind == "graph":
        assert "time" in columns
    if panel.kind == "map":
        assert {"latitude", "longitude", "congestion_probability"} <= set(columns)
        assert all(-90 <= row[columns.index("latitude")] <= 90 for row in rows)
    if panel.kind == "figure":
        assert len(rows) == len(rows[0]) == 1

"""What Grafana would load, looked at without Grafana."""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.dashboards.build import boards, grafana_files
from lakehouse.dashboards.panel import Prom
from specs.loader import Specs, load_specs
from tests.programs import program

FILES = grafana_files(load_specs())
DASHBOARDS = {
    path.removeprefix("grafana/dashboards/").removesuffix(".json"): json.loads(text)
    for path, text in FILES.items() if path.startswith("grafana/dashboards/")
}  # fmt: skip
OWN_LABELS = {"job", "instance", "le", "alertname", "alertstate"}


def panels(uid: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DASHBOARDS[uid]["panels"]
    return found


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_panels_have_ids_of_their_own_units_and_descriptions(uid: str) -> None:
    assert DASHBOARDS[uid]["uid"] == uid
    ids = [panel["id"] for panel in panels(uid)]
    assert len(set(ids)) == len(ids) > 5
    titles = [panel["title"] for panel in panels(uid)]
    assert len(set(titles)) == len(titles)
    for panel in panels(uid):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0, panel["title"]


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_no_panel_lies_on_another_or_outside_the_grid(uid: str) -> None:
    places = [panel["gridPos"] for panel in panels(uid)]
    for place in places:
        assert place["x"] >= 0
        assert place["y"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert apart, (one, other)


def test_every_column_of_a_table_has_its_unit_by_its_name() -> None:
    mixed = "Most congested soon"
    (panel,) = [panel for panel in panels("traffic-roads") if panel["title"] == mixed]
    units = {
        one["matcher"]["options"].strip("/"): one["properties"][0]["value"]
        for one in panel["fieldConfig"]["overrides"] if one["properties"][0]["id"] == "unit"
    }  # fmt: skip
    found = {
        column: [unit for part, unit in units.items() if re.search(part, column)]
        for column in ("congestion_probability", "speed_kmh_now", "delay_s_mean", "hour_of_day")
    }
    assert found == {
        "congestion_probability": ["percentunit"], "speed_kmh_now": ["velocitykmh"],
        "delay_s_mean": ["s"], "hour_of_day": ["none"],
    }  # fmt: skip


def test_every_target_has_a_datasource_that_is_provisioned() -> None:
    text = FILES["grafana/provisioning/datasources/traffic.yml"]
    known = {(one["type"], one["uid"]) for one in yaml.safe_load(text)["datasources"]}
    used = {
        (one["datasource"]["type"], one["datasource"]["uid"])
        for uid in DASHBOARDS for panel in panels(uid) for one in (panel, *panel["targets"])
    }  # fmt: skip
    assert used == known
    providers = yaml.safe_load(FILES["grafana/provisioning/dashboards/traffic.yml"])["providers"]
    assert [one["options"]["path"] for one in providers] == ["/etc/grafana/dashboards"]


def questions(specs: Specs) -> dict[str, list[str]]:
    """PromQL by panel, with Grafana's interval filled in."""
    return {
        f"{board.title}: {panel.title}": [
            one.expression.replace("$__rate_interval", "5m")
            for one in panel.questions if isinstance(one, Prom)
        ]
        for board in boards(specs) for row in board.rows for panel in row
    }  # fmt: skip


def test_every_promql_parses(specs: Specs, tmp_path: Path) -> None:
    expressions = [one for asked in questions(specs).values() for one in asked]
    assert len(expressions) > 40
    rules = [{"record": f"q{number}", "expr": one} for number, one in enumerate(expressions)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [program("promtool"), "check", "rules", "--lint=none", str(file)], capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_promql_asks_for_a_metric_of_the_specs_by_labels_that_it_has(specs: Specs) -> None:
    known = {name: set(one.labels) for one in specs.ops.metrics for name in one.series}
    for title, asked in questions(specs).items():
        for expression in asked:
            names = set(re.findall(r"\btraffic_[a-z_]+", expression))
            assert names <= set(known), title
            assert names or re.search(r"\b(up|ALERTS)\b", expression), title
            labels = OWN_LABELS.union(*(known[name] for name in names))
            by = re.findall(r"\bby \(([^)]*)\)", expression)
            used = {name.strip() for group in by for name in group.split(",")}
            used |= set(re.findall(r"[{,]\s*([a-z_]+)\s*=~?\"", expression))
            assert used <= labels, (title, used - labels)


def test_legends_name_labels_that_the_question_keeps(specs: Specs) -> None:
    known = {name: set(one.labels) for one in specs.ops.metrics for name in one.series}
    for board in boards(specs):
        for panel in (panel for row in board.rows for panel in row):
            for one in panel.questions:
                if not isinstance(one, Prom):
                    continue
                wanted = set(re.findall(r"{{([a-z_]+)}}", one.legend))
                by = re.findall(r"\bby \(([^)]*)\)", one.expression)
                names = re.findall(r"\btraffic_[a-z_]+", one.expression)
                kept = set(known[names[0]]) if names and not by else set()
                kept |= {name.strip() for name in by[0].split(",")} if by else set()
                assert wanted <= kept, panel.title

"""Superset on the real Trino: its dashboards are the files, and they show the demo's data."""

import io
import os
import re
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from lakehouse.runtime.process import stop
from lakehouse.runtime.stack import endpoints, up
from lakehouse.runtime.superset import SUPERSET, compare_assets, export_assets, password_file
from lakehouse.runtime.trino import TRINO
from lakehouse.settings import Settings
from lakehouse.trino.client import Client
from specs.errors import Unavailable

KINDS = ("database", "dataset", "chart", "dashboard")
PATIENCE_MS, PATIENCE_SECONDS = 180_000, 180
LOOK_SECONDS = 0.1
SIZE = {"width": 1500, "height": 980}
CHARTS = {
    "Network overview": {
        "Share of congested segments", "Most congested in 15 minutes",
        "Speed over free flow by hour of the week", "Bottlenecks",
    },
    "Data and model quality": {
        "Brier score against persistence", "Refused records by rule", "Freshness by hop",
    },
}  # fmt: skip
DRAWN = """canvas => {
    const {width, height} = canvas;
    const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    return new Set(new Uint32Array(pixels.buffer)).size;
}"""


@dataclass(frozen=True)
class Superset:
    """Superset with its admin, and what was seen while it started."""

    url: str
    password: str
    told: str
    command_lines: set[str]
    screenshots: Path

    def held(self) -> dict[str, dict[str, int]]:
        """Number of everything that was made, by kind and uuid."""
        with requests.Session() as session:
            session.trust_env = False
            who = {"username": "admin", "password": self.password, "provider": "db"}
            url = f"{self.url}/api/v1"
            token = session.post(f"{url}/security/login", json=who, timeout=PATIENCE_SECONDS)
            session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            answers = {
                kind: session.get(f"{url}/{kind}/?q=(page_size:100)", timeout=PATIENCE_SECONDS)
                for kind in KINDS
            }
        return {
            kind: {one["uuid"]: one["id"] for one in answer.json()["result"]}
            for kind, answer in answers.items()
        }


def watch_command_lines(seen: set[str], end: threading.Event) -> None:
    while not end.wait(LOOK_SECONDS):
        for process in psutil.process_iter():
            try:
                seen.add(" ".join(process.cmdline()))
            except psutil.Error:
                continue


@pytest.fixture(scope="module")
def home(settings: Settings) -> Settings:
    return settings.model_copy(update={"superset_port": 0})


@pytest.fixture(scope="module")
def superset(home: Settings) -> Iterator[Superset]:
    seen: set[str] = set()
    told, end = io.StringIO(), threading.Event()
    watch = threading.Thread(target=watch_command_lines, args=(seen, end))
    watch.start()
    try:
        with redirect_stderr(told):
            up(home, [TRINO, SUPERSET])
    finally:
        end.set()
        watch.join()
    yield Superset(
        url=endpoints(home.home)["superset"], password=password_file(home).read_text(),
        told=told.getvalue(), command_lines=seen,
        screenshots=Path(os.environ.get("TRAFFIC_TEST_SCREENSHOTS", home.home)),
    )  # fmt: skip
    stop(home.run, ["superset"])


@pytest.fixture(scope="module")
def page(browser: Browser, superset: Superset) -> Iterator[Page]:
    """A tab of the admin, who has logged in as people do."""
    tab = browser.new_context(viewport=SIZE).new_page()
    tab.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    tab.goto(f"{superset.url}/login/")
    for name, text in (("username", "admin"), ("password", superset.password)):
        given = f"[data-test={name}-input]"
        tab.locator(f"input{given}, {given} input").first.fill(text)
    tab.locator("[data-test=login-button]").click()
    tab.wait_for_url("**/superset/welcome/**")
    yield tab
    tab.context.close()


def shown(page: Page, superset: Superset, dashboard: str) -> list[dict[str, Any]]:
    """Open a dashboard, wait for its charts and return what Superset answered for each."""
    answers: list[Any] = []
    page.on("response", lambda answer: (
        answers.append(answer) if "/api/v1/chart/data" in answer.url else None
    ))  # fmt: skip
    page.goto(f"{superset.url}/dashboard/list/")
    page.get_by_role("link", name=dashboard).click()
    charts = page.locator("[data-test=chart-container]")
    expect(charts).to_have_count(len(CHARTS[dashboard]))
    for chart in charts.all():
        expect(chart.locator("canvas, table tbody tr").first).to_be_visible()
    expect(page.locator("[data-test=loading-indicator]")).to_have_count(0)
    name = f"{dashboard.lower().replace(' ', '-')}.png"
    page.screenshot(path=superset.screenshots / name)
    return [answer.json() for answer in answers]


def test_the_password_is_random_told_once_and_on_no_command_line(
    superset: Superset, home: Settings
) -> None:
    assert len(superset.password) > 30
    assert superset.told.count(superset.password) == 1
    assert password_file(home).stat().st_mode & 0o077 == 0
    assert any("create-admin" in line for line in superset.command_lines)
    assert any("provision.py" in line for line in superset.command_lines)
    assert not any(superset.password in line for line in superset.command_lines)


def test_provisioning_again_changes_nothing_and_superset_holds_the_files(
    superset: Superset, home: Settings
) -> None:
    before = superset.held()
    assert {kind: len(found) for kind, found in before.items()} == {
        "database": 1, "dataset": 7, "chart": 7, "dashboard": 2
    }  # fmt: skip
    told = io.StringIO()
    with redirect_stderr(told):
        up(home, [TRINO, SUPERSET])
    assert superset.password not in told.getvalue()
    assert superset.held() == before
    assert "17 files are what Superset holds" in compare_assets(home)


@pytest.mark.parametrize("dashboard", CHARTS)
def test_every_chart_of_a_dashboard_shows_data(
    page: Page, superset: Superset, dashboard: str
) -> None:
    answers = [one for answer in shown(page, superset, dashboard) for one in answer["result"]]
    assert len(answers) >= len(CHARTS[dashboard])
    assert all(one["error"] is None and one["rowcount"] > 0 for one in answers), answers
    for title in CHARTS[dashboard]:
        expect(page.get_by_text(title, exact=True).first).to_be_visible()
    for canvas in page.locator("[data-test=chart-container] canvas").all():
        assert canvas.evaluate(DRAWN) > 3


def test_a_table_shows_what_trino_answers(page: Page, superset: Superset, client: Client) -> None:
    shown(page, superset, "Network overview")
    cells = page.locator("[data-test=chart-container] table tbody tr").first
    roads = client.rows(
        "SELECT road FROM gold.current_congestion WHERE horizon_minutes = 15"
        " ORDER BY congestion_probability DESC FETCH FIRST ROW WITH TIES"
    )
    expect(cells).to_contain_text(
        re.compile("|".join(re.escape(road.strip()) for (road,) in roads))
    )


def test_passwords_and_tls_of_trino_are_passed_on(
    page: Page, superset: Superset, home: Settings
) -> None:
    """The last but one: it restarts Trino."""
    stop(home.run, ["trino"])
    guarded = home.model_copy(update={"trino_passwords": True})
    try:
        up(guarded, [TRINO, SUPERSET])
        assert endpoints(home.home)["trino"].startswith("https://")
        answers = [one for answer in shown(page, superset, "Network overview")
                   for one in answer["result"]]  # fmt: skip
        assert all(one["error"] is None and one["rowcount"] > 0 for one in answers), answers
        assert "17 files are what Superset holds" in compare_assets(guarded)
    finally:
        stop(home.run, ["trino"])
        up(home, [TRINO])


def test_a_superset_that_is_down_is_named_with_how_to_start_it(tmp_path: Path) -> None:
    for ask in (compare_assets, export_assets):
        with pytest.raises(Unavailable, match="start both with `traffic up --with trino --with su"):
            ask(Settings(home=tmp_path))

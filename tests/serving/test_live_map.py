"""The live map in a real Chromium."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.city_batches import CityBatches
from tests.serving.conftest import SEGMENTS, Api

pytestmark = pytest.mark.stack

PATIENCE_MS = 60_000
WATCH = """() => {
    window.drawn = new Promise((done) => new MutationObserver(() => done(Date.now())).observe(
        document.body, {attributeFilter: ["data-version"]}));
}"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@dataclass
class Opened:
    """The map in a tab, with everything it complained of and asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


def opened(browser: Browser, api: Api, **context: Any) -> Opened:
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(PATIENCE_MS)
    found = Opened(page)
    page.on("console", lambda message: (
        found.complaints.append(message.text) if message.type in {"error", "warning"} else None
    ))  # fmt: skip
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("request", lambda request: found.hosts.add(request.url.split("/")[2]))
    page.goto(api.url + "/")
    page.wait_for_selector("body[data-ready]")
    return found


@pytest.fixture
def live(browser: Browser, api: Api) -> Iterator[Opened]:
    """The map, which may have complained of nothing and asked no other host when the test ends."""
    found = opened(browser, api, viewport={"width": 1280, "height": 800})
    yield found
    found.page.context.close()
    assert found.complaints == []
    assert found.hosts == {api.url.split("/")[2]}


def levels(page: Page) -> dict[str, str]:
    """Class of every segment's line."""
    pairs = page.eval_on_selector_all(
        "#map .segment",
        "all => all.map(g => [g.dataset.segment, g.children[1].getAttribute('class')])",
    )
    return dict(pairs)


def expected_levels(api: Api, horizon_minutes: int) -> dict[str, str]:
    """What the API's probabilities ask for."""
    bounds = api.get("/status").json["probability_levels"]
    found = {}
    for item in api.get(f"/congestion?horizon_minutes={horizon_minutes}").json["items"]:
        probability = item["forecasts"][0]["congestion_probability"]
        level = sum(probability >= bound for bound in bounds)
        found[item["segment_id"]] = f"road level-{level}"
    return found


def test_every_segment_is_drawn_and_coloured_by_its_probability(live: Opened, api: Api) -> None:
    expected = expected_levels(api, 15)
    assert len(expected) == SEGMENTS
    assert levels(live.page) == expected


def test_a_gold_commit_is_on_the_map_within_three_seconds(live: Opened, city: CityBatches) -> None:
    page = live.page
    at = page.locator("#moment").inner_text()
    rows = city.rows(1)
    note = city.commit_silver(rows)
    page.evaluate(WATCH)
    city.commit_gold(rows, note)
    seconds = page.evaluate("window.drawn") / 1000 - city.lake.table("gold.network_kpi").commits(
        after=city.lake.table("gold.network_kpi").version - 1
    )[0].committed_at.timestamp()  # fmt: skip
    expect(page.locator("#moment")).not_to_have_text(at)
    print(f"on the map {seconds:.2f} s after the commit")
    assert seconds < 3


def test_the_horizon_switch_recolours_the_map(live: Opened, api: Api) -> None:
    page = live.page
    page.get_by_label("60 min", exact=True).check()
    expect(page.locator("#list-title")).to_have_text("Most likely congested in 60 min")
    assert levels(page) == expected_levels(api, 60) != expected_levels(api, 15)


def test_the_slider_shows_history_and_live_comes_back(live: Opened) -> None:
    page = live.page
    newest = page.locator("#moment").inner_text()
    page.locator("#time").focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "history")
    expect(page.locator("#live")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#moment")).not_to_have_text(newest)
    page.locator("#live").click()
    expect(page.locator("#moment")).to_have_text(newest)


def test_a_click_on_a_line_shows_speed_band_and_forecast(live: Opened) -> None:
    page = live.page
    hit = page.locator("#map .segment .hit").first
    place = hit.evaluate(
        """path => {
            const middle = path.getPointAtLength(path.getTotalLength() / 2);
            const at = middle.matrixTransform(path.getScreenCTM());
            return [at.x, at.y];
        }"""
    )
    page.mouse.click(*place)
    detail = page.locator("#detail-view")
    expect(detail).to_be_visible()
    expect(detail.locator(".forecast tbody tr")).to_have_count(3)
    expect(detail.locator(".now")).to_contain_text("km/h, from")
    expect(detail.locator(".chart .speed").first).to_be_attached()
    expect(detail.locator(".chart .point")).to_have_count(3)


def test_the_keyboard_reaches_a_segment_and_goes_back(live: Opened) -> None:
    page = live.page
    page.locator("#filter").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    chosen = page.evaluate("document.activeElement.dataset.choose")
    page.keyboard.press("Enter")
    expect(page.locator("#detail-view .id")).to_contain_text(chosen)
    expect(page.locator(f"#map .segment.selected[data-segment='{chosen}']")).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.locator("#list-view")).to_be_visible()
    assert page.evaluate("document.activeElement.dataset.choose") == chosen
    page.locator("#map").focus()
    before = page.locator("#map > g").nth(1).get_attribute("transform")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    expect(page.locator("#map > g").nth(1)).not_to_have_attribute("transform", str(before))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(
    browser: Browser, api: Api, scheme: str
) -> None:
    size = {"width": 360, "height": 740}
    found = opened(browser, api, viewport=size, color_scheme=scheme, has_touch=True)
    width = found.page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"]
    expect(found.page.locator("#map")).to_be_visible()
    expect(found.page.locator("#live")).to_be_in_viewport()
    ground = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in ground[4:-1].split(","))
    assert (brightness > 600) == (scheme == "light")
    assert found.complaints == []
    found.page.context.close()

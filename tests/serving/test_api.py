"""What the API answers over HTTP, from a city's real tables."""

import json
import re
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from benchmarks.city_batches import CityBatches
from lakehouse.artifacts import ROOT
from lakehouse.journal import now
from lakehouse.serving.keys import KeyStore
from specs.loader import Specs
from tests.pages import PAGES
from tests.scraped import names_told
from tests.serving.conftest import SEGMENTS, Api, served, until_ready

pytestmark = pytest.mark.stack


def test_congestion_has_every_observed_segment_with_every_horizon(api: Api) -> None:
    answer = api.get("/congestion")
    assert answer.status == 200
    assert float(answer.headers["Data-Age-Seconds"]) >= 0
    items = answer.json["items"]
    assert len(items) == SEGMENTS
    assert [item["segment_id"] for item in items] == sorted(item["segment_id"] for item in items)
    assert {len(item["forecasts"]) for item in items} == {3}
    assert {item["model_version"] for item in items} == {7}
    one = api.get("/congestion?horizon_minutes=30").json["items"][0]["forecasts"]
    assert [forecast["horizon_minutes"] for forecast in one] == [30]


def test_pages_follow_each_other_without_gap_or_repetition(api: Api) -> None:
    whole = [item["segment_id"] for item in api.get("/segments?limit=5000").json["items"]]
    found, path = [], "/segments?limit=7"
    while path:
        page = api.get(path).json
        assert len(page["items"]) <= 7
        found += [item["segment_id"] for item in page["items"]]
        path = page["next"]
    assert found == whole
    assert len(whole) == SEGMENTS


def test_history_pages_keep_windows_whole(api: Api) -> None:
    segment = api.get("/segments?limit=1").json["items"][0]["segment_id"]
    path, starts = f"/segments/{segment}/congestion?limit=4", []
    while path:
        page = api.get(path).json
        starts += [(item["window_start"], item["horizon_minutes"]) for item in page["items"]]
        path = page["next"]
    assert len(starts) == len(set(starts)) > 60
    assert starts == sorted(starts)
    assert len(starts) % 3 == 0


def test_a_box_gives_the_segments_that_meet_it(api: Api) -> None:
    every = api.get("/segments?limit=5000").json["items"]
    point = every[0]["polyline"][0]
    box = ",".join(
        f"{value:.6f}" for value in (
            point["lon"] - 1e-4, point["lat"] - 1e-4, point["lon"] + 1e-4, point["lat"] + 1e-4
        )
    )  # fmt: skip
    near = api.get(f"/segments?bbox={box}").json["items"]
    assert every[0]["segment_id"] in {item["segment_id"] for item in near}
    assert len(near) < len(every)
    assert api.get("/segments?bbox=100,-10,101,-9").json["items"] == []
    assert api.get("/segments?bbox=0,50,1,40").status == 422


def test_geojson_has_the_same_segments_with_lon_before_lat(api: Api) -> None:
    answer = api.get("/congestion?format=geojson&limit=3")
    assert answer.headers["Content-Type"] == "application/geo+json"
    first = answer.json["features"][0]
    shape = api.get("/segments?limit=1").json["items"][0]["polyline"]
    assert first["geometry"]["type"] == "LineString"
    assert first["geometry"]["coordinates"][0] == [shape[0]["lon"], shape[0]["lat"]]
    assert answer.json["next"] is not None


def test_a_moment_in_the_past_is_answered_as_it_stood(api: Api, city: CityBatches) -> None:
    moment = city.start + timedelta(hours=1, minutes=2)
    text = moment.isoformat().replace("+00:00", "Z")
    items = api.get(f"/congestion?at={text}").json["items"]
    starts = {datetime.fromisoformat(item["window_start"]) for item in items}
    assert starts == {city.start + timedelta(hours=1)}


def test_an_answer_is_not_sent_twice_to_whoever_has_it(api: Api) -> None:
    first = api.get("/segments?limit=2")
    again = api.get("/segments?limit=2", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert api.get("/segments?limit=3", If_None_Match=first.headers["ETag"]).status == 200


@pytest.mark.parametrize(("path", "status", "said"), [
    ("/congestion?limit=0", 422, "limit"),
    ("/congestion?horizon_minutes=20", 422, "horizon_minutes"),
    ("/congestion?colour=red", 422, "colour"),
    ("/segments?bbox=1,2,3", 422, "bbox"),
    ("/network-kpis?from=2024-05-06T00:00:00", 422, "from"),
    ("/network-kpis?from=2024-05-06T00:00:00Z&to=2024-05-05T00:00:00Z", 422, "not after"),
    ("/network-kpis?from=2020-01-01T00:00:00Z&to=2024-01-01T00:00:00Z", 422, "7 days"),
    ("/segments/nowhere/metrics", 404, "GET /segments"),
    ("/nothing", 404, "Not Found"),
])  # fmt: skip
def test_errors_say_what_is_wrong(api: Api, path: str, status: int, said: str) -> None:
    answer = api.get(path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said in answer.json["detail"]
    assert answer.json["status"] == status


def test_whatever_the_pages_ask_is_answered(api: Api) -> None:
    segment = api.get("/segments?limit=1").json["items"][0]["segment_id"]
    asked = {
        path for page in PAGES
        for path in re.findall(r"http://127\.0\.0\.1:18000(/[^'`\s)]*)", (ROOT / page).read_text())
    }  # fmt: skip
    assert len(asked) > 8
    for path in asked - {"/events"}:  # that has no end; the tests below listen to it
        assert api.get(path.replace("nyc_dot:4616337", segment)).status == 200, path


def test_another_site_cannot_use_the_browser_to_read_it(api: Api) -> None:
    """No CORS, and a name that was pointed at 127.0.0.1 is refused."""
    allowed = api.get("/congestion?limit=1", Origin="https://elsewhere.example")
    assert not any(name.lower().startswith("access-control") for name in allowed.headers)
    assert api.get("/congestion?limit=1", Host="elsewhere.example").status == 421


def test_health_metrics_and_openapi(api: Api, city: CityBatches, specs: Specs) -> None:
    assert api.get("/healthz").json == {"status": "ok"}
    assert api.get("/readyz").json == {"status": "ready"}
    text = api.get("/metrics").body.decode()
    assert 'traffic_api_request_duration_seconds_count{route="/healthz",status="200"}' in text
    assert "traffic_api_data_age_seconds " in text
    told = names_told(city.lake.root.parent / "run" / "targets", "api")
    assert told == {one.name for one in specs.ops.metrics if "api" in one.by}
    document = api.get("/openapi.json").json
    assert document["components"]["schemas"]["NetworkKpi"]["properties"]["congested_ratio"]


def test_a_commit_is_told_to_those_who_listen(api: Api, city: CityBatches) -> None:
    with urllib.request.urlopen(api.url + "/events", timeout=120) as stream:
        told = (json.loads(line[6:]) for line in stream if line.startswith(b"data: "))
        first = next(told)
        city.advance(1)
        second = next(told)
    name = "gold.network_kpi"
    assert second["as_of"]["tables"][name] == first["as_of"]["tables"][name] + 1
    assert (
        second["as_of"]["sources"][0]["window_start"] > first["as_of"]["sources"][0]["window_start"]
    )
    assert second["pickup_seconds"] is not None


def test_answers_made_in_advance_are_those_of_the_routes(api: Api, city: CityBatches) -> None:
    after = api.get("/segments?limit=1").json["items"][0]["segment_id"]
    paths = (
        "/congestion", "/congestion?horizon_minutes=30&limit=7", f"/congestion?after={after}",
        "/congestion?format=geojson&limit=5", "/segments?source=simulator&bbox=-180,-90,180,90",
        "/segments?format=geojson",
    )  # fmt: skip
    for path in paths:
        assert api.get(path).status == 200
    with urllib.request.urlopen(api.url + "/events", timeout=120) as stream:
        told = (line for line in stream if line.startswith(b"data: "))
        next(told)
        city.advance(1)
        next(told)
    in_advance = [api.get(path) for path in paths]
    with served(city.lake.root.parent) as other:
        assert until_ready(other)
        for path, found in zip(paths, in_advance, strict=True):
            by_route = other.get(path)
            assert (found.body, found.headers["ETag"]) == (by_route.body, by_route.headers["ETag"])
            assert found.headers["Content-Type"] == by_route.headers["Content-Type"]


def test_a_process_that_reads_the_tables_is_replaced_when_it_ends(
    api: Api, city: CityBatches
) -> None:
    name = "gold.network_kpi"
    with urllib.request.urlopen(api.url + "/events", timeout=120) as stream:
        told = (json.loads(line[6:]) for line in stream if line.startswith(b"data: "))
        before = next(told)["as_of"]["tables"][name]
        (watcher,) = psutil.Process(api.pid).children()
        watcher.kill()
        city.advance(1)
        assert any(one["as_of"]["tables"][name] == before + 1 for one in told)
    assert api.get("/readyz").status == 200
    assert not watcher.is_running()


def test_half_a_batch_is_never_answered(api: Api, city: CityBatches) -> None:
    before = api.get("/congestion?limit=1").json
    rows = city.rows(1)
    note = city.commit_silver(rows)
    with urllib.request.urlopen(api.url + "/events", timeout=120) as stream:
        told = (json.loads(line[6:]) for line in stream if line.startswith(b"data: "))
        next(told)
        assert api.get("/congestion?limit=1").json == before
        city.commit_gold(rows, note)
        next(told)
    after = api.get("/congestion?limit=1").json
    assert after["items"][0]["window_start"] > before["items"][0]["window_start"]
    assert len(after["items"][0]["forecasts"]) == 3


def test_without_its_key_nothing_but_health_is_answered(city: CityBatches, tmp_path: Path) -> None:
    (tmp_path / "lake").symlink_to(city.lake.root)
    key = KeyStore(tmp_path / "api_keys.json").create("test", at=now())
    with served(tmp_path, TRAFFIC_API_REQUIRE_KEY="true") as guarded:
        assert guarded.get("/healthz").status == 200
        for path in ("/congestion", "/status", "/events", "/metrics", "/segments/x/metrics"):
            refused = guarded.get(path)
            assert (refused.status, refused.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
            assert guarded.get(path, Authorization=f"Bearer {key[:-1]}").status == 401
        KeyStore(tmp_path / "api_keys.json").revoke(key.split("_")[1])
        assert guarded.get("/metrics", Authorization=f"Bearer {key}").status == 401


def test_without_tables_it_says_how_to_make_them(tmp_path: Path) -> None:
    with served(tmp_path) as empty:
        assert empty.get("/healthz").status == 200
        for path in ("/readyz", "/congestion"):
            answer = empty.get(path)
            assert answer.status == 503
            assert answer.headers["Retry-After"]
    with pytest.raises(AssertionError), served(tmp_path, TRAFFIC_API_HOST="0.0.0.0"):
        pass


def test_an_open_connection_does_not_keep_it_from_ending(city: CityBatches) -> None:
    with served(city.lake.root.parent) as running:
        stream = urllib.request.urlopen(running.url + "/events", timeout=120)
        assert stream.readline()
    stream.read()
    stream.close()


def test_ready_means_that_there_is_data(api: Api) -> None:
    assert until_ready(api)

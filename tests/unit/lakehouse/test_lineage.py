"""Lineage says what the books say, once, in the words of the OpenLineage standard."""

import json
import threading
import typing
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.generated import base

from lakehouse.commit import Note
from lakehouse.emission import emit_events
from lakehouse.lineage import (
    BRONZE,
    SCORES,
    SILVER,
    JobRun,
    Places,
    Told,
    _training_run,
    events,
    runs,
)
from lakehouse.tables import Lake
from ml.registry import ModelReport
from specs.errors import Unavailable
from tests.openlineage_schema import assert_is_a
from tests.rows import after, table

NOTE = Note(job="ledger", spec_version="t")


def booked(job: str, name: str, version: int, at: float, **other: Any) -> dict[str, Any]:
    return {
        "table_name": name, "table_version": version, "job": job, "batch_id": None,
        "committed_at": after(at), "rows_written": 10, "verdicts": [], "offsets": [],
        "source_version_first": None, "source_version_last": None, "spec_version": "t",
    } | other  # fmt: skip


def book(lake: Lake, *rows: dict[str, Any]) -> None:
    lake.table("ops.ledger").append(table(lake, "ops.ledger", list(rows)), NOTE)


def score(number: int, version: int, at: float) -> dict[str, Any]:
    return {
        "segment_id": f"s:{number}", "source": "s", "window_start": after(0),
        "window_date": after(0).date(), "horizon_minutes": 15, "target_start": after(900),
        "congestion_probability": 0.5, "speed_kmh_predicted": 50.0, "model_name": "congestion",
        "model_version": version, "is_final": False, "revision": 0,
        "kafka_timestamp_max": after(0), "scored_at": after(at),
    }  # fmt: skip


@pytest.fixture
def busy(lake: Lake) -> Lake:
    """Two landed batches, two streamed ones, scores by two models, a corrected day."""
    book(
        lake,
        booked("land", BRONZE, 1, 1), booked("land", BRONZE, 2, 2),
        booked("land", "bronze.dead_letter", 1, 0.5, rows_written=3),
        booked("stream", SILVER, 1, 3, batch_id=0, source_version_last=1),
        booked("stream", SILVER, 3, 4, batch_id=1, source_version_last=2),
        booked("stream", SCORES, 1, 4.5, batch_id=1, source_version_last=2),
        booked("recompute", SILVER, 2, 9), booked("recompute", "gold.network_kpi", 1, 9.5),
    )  # fmt: skip
    rows = [score(1, 1, 3), score(2, 1, 4), score(3, 2, 5)]
    lake.table(SCORES).append(table(lake, SCORES, rows), NOTE)
    return lake


def report(version: int) -> ModelReport:
    tags = {"spec_version": "t", f"delta_version.{SILVER}": "42"}
    return ModelReport("congestion", version, after(7), tags, {}, {}, {}, "")


def by_job(found: list[JobRun]) -> dict[str, list[JobRun]]:
    return {job: [r for r in found if r.job == job] for job in {one.job for one in found}}


def test_a_run_is_what_a_job_has_committed(busy: Lake) -> None:
    found = by_job(runs(busy, None, Told())[0])
    assert set(found) == {"land", "stream", "recompute", "score"}
    (land,) = found["land"]
    assert land.outputs == {BRONZE: ("2", 20), "bronze.dead_letter": ("1", 3)}
    assert (land.begin, land.end) == (after(0.5), after(2))
    assert land.inputs == {"topic:traffic_event": None, "silver.road_segment": None}
    (stream,) = found["stream"]
    assert stream.inputs == {BRONZE: "2", "silver.road_segment": None}
    assert stream.outputs == {SILVER: ("3", 20)}
    (corrected,) = found["recompute"]
    assert corrected.inputs == {BRONZE: None, "silver.road_segment": None}


def test_scores_are_traced_to_the_models_that_made_them(busy: Lake) -> None:
    first, second = by_job(runs(busy, None, Told())[0])["score"]
    assert first.inputs["model:congestion"] == "1"
    assert second.inputs["model:congestion"] == "2"
    assert (first.outputs[SCORES][1], second.outputs[SCORES][1]) == (2, 1)


def test_what_was_told_is_not_told_again(busy: Lake) -> None:
    _, told = runs(busy, None, Told())
    assert runs(busy, None, told) == ([], told)
    book(busy, booked("land", BRONZE, 3, 20), booked("reconcile", SILVER, 4, 21, rows_written=0))
    (only,), further = runs(busy, None, told)
    assert (only.job, only.outputs) == ("land", {BRONZE: ("3", 10)})
    assert further.table_versions[BRONZE] == 3
    assert Told.model_validate_json(further.model_dump_json()) == further


def test_a_training_names_the_versions_it_learnt_from(busy: Lake) -> None:
    run = _training_run(report(3))
    assert (run.job, run.inputs, run.outputs) == (
        "train", {SILVER: "42"}, {"model:congestion": ("3", None)}
    )  # fmt: skip


def told_lines(lake: Lake, folder: Path) -> list[dict[str, Any]]:
    found, _ = runs(lake, None, Told())
    places = Places(lake, "127.0.0.1:9092", "http://127.0.0.1:5000")
    all_runs = [*found, _training_run(report(3))]
    target = folder / "lineage" / "events.jsonl"
    count = emit_events((e for run in all_runs for e in events(run, places)), str(target))
    lines = target.read_text().splitlines()
    assert len(lines) == count == 2 * len(all_runs)
    return [json.loads(line) for line in lines]


def test_events_are_what_the_standard_says(busy: Lake, tmp_path: Path) -> None:
    lines = told_lines(busy, tmp_path)
    for event in lines:
        assert event["schemaURL"].endswith("OpenLineage.json#/$defs/RunEvent")
        assert_is_a(base.RunEvent, event)
        assert event["eventType"] in {"START", "COMPLETE"}
        assert set(event["run"]["facets"]) == {"nominalTime"}
        assert set(event["job"]["facets"]) == {"jobType"}
    assert {event["job"]["name"] for event in lines} == {
        "land", "stream", "recompute", "score", "train",
    }  # fmt: skip


def test_a_broken_event_would_be_seen(busy: Lake, tmp_path: Path) -> None:
    event = told_lines(busy, tmp_path)[0]
    for broken in (
        {**event, "surprise": 1},
        {k: v for k, v in event.items() if k != "eventTime"},
        {**event, "job": {"namespace": "x"}},
        {**event, "run": {**event["run"], "facets": {"nominalTime": {}}}},
        {**event, "run": {**event["run"], "runId": "one"}},
        {**event, "run": {**event["run"], "facets": event["job"]["facets"]}},
        {**event, "eventTime": "2018-03-05T00:00:00"},
        {**event, "eventType": "DONE"},
        {**event, "producer": "us"},
    ):
        with pytest.raises(AssertionError):
            assert_is_a(base.RunEvent, broken)


def test_telling_twice_gives_the_same_run_ids(busy: Lake, tmp_path: Path) -> None:
    first, second = (told_lines(busy, tmp_path / name) for name in ("a", "b"))
    assert [e["run"]["runId"] for e in first] == [e["run"]["runId"] for e in second]
    assert len({e["run"]["runId"] for e in first}) == len(first) // 2


class Server(HTTPServer):
    """Takes events, or refuses them."""

    status = 201

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.taken: list[tuple[str, dict[str, Any]]] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = typing.cast("Server", self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.taken.append((self.path, json.loads(body)))
        self.send_response(server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_server_is_told_over_http(busy: Lake, server: Server) -> None:
    run = _training_run(report(3))
    places = Places(busy, "k", "http://r")
    url = f"http://127.0.0.1:{server.server_port}"
    assert emit_events(events(run, places), url) == 2
    assert [path for path, _ in server.taken] == ["/api/v1/lineage"] * 2
    assert [event["eventType"] for _, event in server.taken] == ["START", "COMPLETE"]


def test_a_server_that_refuses_is_named(busy: Lake, server: Server) -> None:
    server.status = 400
    url = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(Unavailable, match=f"cannot be told to {url}"):
        emit_events(events(_training_run(report(3)), Places(busy, "k", "http://r")), url)

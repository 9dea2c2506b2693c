"""Answers are made once a snapshot, and the usual ones before anybody waits for them."""

import asyncio
import gzip
import json
import pickle
from pathlib import Path
from time import monotonic

import pytest
from fastapi import Request

from lakehouse.commit import Note
from lakehouse.metrics import Metrics
from lakehouse.serving.answers import ENTRY_BYTES, Body, Kept, Question, body, respond, takes_gzip
from lakehouse.serving.follower import Follower
from lakehouse.serving.lists import CONGESTION
from lakehouse.serving.news import Looked, News
from lakehouse.serving.questions import questions
from lakehouse.serving.service import Service
from lakehouse.serving.snapshot import Snapshot
from lakehouse.serving.versions import FIRST_LOOK, TableReader
from lakehouse.serving.watcher import Watcher
from lakehouse.tables import Lake
from specs.loader import Specs
from tests.rows import metric, segment, table

NOTE = Note(job="recompute", spec_version="v")
KPIS = "/network-kpis"
LONG = body(["a long answer"] * 1000)


def commit(lake: Lake, seconds: int) -> None:
    lake.table("silver.segment_metric").merge(
        table(lake, "silver.segment_metric", [metric("s:a", seconds)]), NOTE
    )


@pytest.fixture
def watcher(lake: Lake, specs: Specs) -> Watcher:
    roads = table(lake, "silver.road_segment", [segment("s:a"), segment("s:b")])
    lake.table("silver.road_segment").merge(roads, NOTE)
    commit(lake, 300)
    return Watcher(lake.root, specs)


@pytest.fixture
def follower(watcher: Watcher) -> Follower:
    made = Follower(stale_seconds=10, ready_answers=16)
    follow(watcher, made)
    return made


def follow(watcher: Watcher, follower: Follower) -> None:
    """One look, and its way through the pipe."""
    told = watcher.look(follower.most_asked)
    assert isinstance(told, News)
    follower.take(pickle.loads(pickle.dumps(told)))


def asked(follower: Follower, question: Question) -> None:
    """The question is answered by its route and kept."""
    follower.snapshot.kept.put(question, body("by its route"), is_current=True)


QUESTION = (CONGESTION, b"limit=5&horizon_minutes=15")


def test_what_is_asked_is_ready_in_the_next_snapshot_until_nobody_asks(
    watcher: Watcher, follower: Follower, lake: Lake
) -> None:
    asked(follower, QUESTION)
    follower.snapshot.kept.put((KPIS, b""), body("of the past"))
    for seconds in (600, 900):
        commit(lake, seconds)
        follow(watcher, follower)
        found = follower.snapshot.kept.get(QUESTION)
        assert found is not None
        assert json.loads(found.content)["as_of"]["tables"] == follower.snapshot.versions
        assert follower.snapshot.kept.get((KPIS, b"")) is None
    commit(lake, 1200)
    follow(watcher, follower)  # nobody asks this one
    commit(lake, 1500)
    follow(watcher, follower)
    assert follower.snapshot.kept.get(QUESTION) is None


def test_roads_are_told_once_and_again_when_they_change(
    watcher: Watcher, follower: Follower, lake: Lake
) -> None:
    assert list(follower.snapshot.roads) == ["s:a", "s:b"]
    commit(lake, 600)
    told = watcher.look(list)
    assert isinstance(told, News)
    assert told.roads is None
    follower.take(told)
    assert list(follower.snapshot.roads) == ["s:a", "s:b"]
    more = table(lake, "silver.road_segment", [segment("s:c")])
    lake.table("silver.road_segment").merge(more, NOTE)
    follow(watcher, follower)
    assert list(follower.snapshot.roads) == ["s:a", "s:b", "s:c"]


def test_tables_that_cannot_be_read_are_told_and_the_last_snapshot_stays(
    watcher: Watcher, follower: Follower, lake: Lake
) -> None:
    before = follower.snapshot
    commit(lake, 600)
    (newest,) = (lake.folder("silver.segment_metric") / "_delta_log").glob("*2.json")
    newest.write_text("{ torn")
    told = watcher.look(follower.most_asked)
    assert isinstance(told, Looked)
    assert told.failure
    follower.take(told)
    assert follower.snapshot is before


def test_the_most_asked_come_first_and_the_oldest_go_first() -> None:
    answers = Kept(max_bytes=3 * (ENTRY_BYTES + 12))
    for number in range(4):
        answers.put((f"/{number}", b""), body("x" * 8), is_current=True)  # ten bytes each, of two
    assert answers.get(("/0", b"")) is None
    assert answers.get(("/2", b"")) is not None
    assert answers.most_asked(2) == [("/2", b""), ("/1", b"")]
    answers.put(("/large", b""), body("x" * 4 * ENTRY_BYTES))
    assert answers.get(("/large", b"")) is None
    padded = b"limit=1&" * ENTRY_BYTES
    answers.put(("/padded", padded), body("x" * 8))
    assert answers.get(("/padded", padded)) is None


def test_many_who_ask_the_same_at_once_wait_for_one_rendering(
    follower: Follower, specs: Specs
) -> None:
    service = Service(specs, follower, Metrics(specs.ops, "api"), questions(specs))
    scope = {
        "type": "http", "path": "/x", "query_string": b"", "headers": [], "scheme": "http",
        "server": ("127.0.0.1", 80), "method": "GET",
    }  # fmt: skip
    rendered = []

    def render(snapshot: Snapshot) -> Body:
        rendered.append(monotonic())
        return LONG

    async def ask() -> list[bytes]:
        answers = await asyncio.gather(*(
            service.answer(Request(scope), follower.snapshot, render) for _ in range(20)
        ))  # fmt: skip
        return [bytes(answer.body) for answer in answers]

    assert asyncio.run(ask()) == [LONG.content] * 20
    assert len(rendered) == 1


def test_each_form_of_an_answer_has_its_own_tag() -> None:
    plain = respond(LONG, {}, {})
    packed = respond(LONG, {"accept-encoding": "br, gzip"}, {})
    assert plain.body == LONG.content
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(bytes(packed.body)) == LONG.content
    assert len(packed.body) < len(LONG.content) / 4
    assert plain.headers["etag"] != packed.headers["etag"]
    for form, asked in ((plain, {}), (packed, {"accept-encoding": "gzip"})):
        tag = form.headers["etag"]
        again = respond(LONG, {**asked, "if-none-match": f'"other", W/{tag}'}, {})
        assert (again.status_code, again.body) == (304, b"")
        assert again.headers["vary"] == "Accept-Encoding"
    other = {"if-none-match": packed.headers["etag"]}
    assert respond(LONG, other, {}).status_code == 200
    assert "content-encoding" not in respond(body(1), {"accept-encoding": "gzip"}, {}).headers


@pytest.mark.parametrize(("header", "does"), [
    ("gzip", True), ("br;q=1.0, GZIP;q=0.5", True), ("", False), ("gzip;q=0", False),
    ("gzip; q=0.0, br", False), ("deflate, xgzip", False),
])  # fmt: skip
def test_who_does_not_take_gzip_is_not_sent_it(header: str, does: bool) -> None:
    assert takes_gzip(header) == does


def test_commits_read_one_by_one_are_those_of_the_whole_log(lake: Lake) -> None:
    commit(lake, 300)
    folder: Path = lake.folder("silver.segment_metric")
    follows, numbers = TableReader(folder), (1, 3, 30)
    follows.refresh()
    for count in numbers:
        for _ in range(count):
            commit(lake, 300)
        follows.refresh()
        anew = TableReader(folder)
        anew.refresh()
        assert follows.version == anew.version
        assert follows.marks == anew.marks[:FIRST_LOOK]

"""Answers are made once a snapshot, and the usual ones before anybody waits for them."""

import asyncio
import gzip
from pathlib import Path
from time import monotonic

import pytest
from fastapi import Request

from lakehouse.metrics import Metrics
from lakehouse.serving.answers import Body, Kept, body, respond, takes_gzip
from lakehouse.serving.follower import Follower
from lakehouse.serving.questions import questions
from lakehouse.serving.service import Service
from lakehouse.serving.snapshot import Reader, Snapshot
from lakehouse.serving.versions import FIRST_LOOK, TableReader
from lakehouse.tables import Lake, Note
from specs.loader import Specs
from tests.rows import metric, segment, table

NOTE = Note(job="recompute", spec_version="v")
LONG = body(["a long answer"] * 1000)


def commit(lake: Lake, seconds: int) -> None:
    lake.table("silver.segment_metric").merge(
        table(lake, "silver.segment_metric", [metric("s:a", seconds)]), NOTE
    )


@pytest.fixture
def reader(lake: Lake, specs: Specs) -> Reader:
    roads = table(lake, "silver.road_segment", [segment("s:a")])
    lake.table("silver.road_segment").merge(roads, NOTE)
    commit(lake, 300)
    made = Reader(lake.root, specs)
    assert made.refresh()
    return made


def version_shown(snapshot: Snapshot) -> Body:
    return body(snapshot.versions["silver.segment_metric"])


def kept(reader: Reader) -> Kept:
    assert reader.snapshot is not None
    return reader.snapshot.kept


def test_what_is_asked_is_ready_in_the_next_snapshot_until_nobody_asks(
    reader: Reader, lake: Lake
) -> None:
    assert reader.snapshot is not None
    kept(reader).put(("/asked", b""), version_shown(reader.snapshot), version_shown)
    kept(reader).put(("/history", b""), version_shown(reader.snapshot))
    found = []
    for seconds in (600, 900):
        commit(lake, seconds)
        assert reader.refresh()
        found.append(kept(reader).get(("/asked", b"")))
        assert kept(reader).get(("/history", b"")) is None
    assert [int(answer.content) for answer in found if answer] == [
        int(version_shown(reader.snapshot).content) - 1, int(version_shown(reader.snapshot).content)
    ]  # fmt: skip
    commit(lake, 1200)
    commit(lake, 1500)
    assert reader.refresh()  # nobody asks this one
    commit(lake, 1800)
    assert reader.refresh()
    assert kept(reader).get(("/asked", b"")) is None


def test_the_most_asked_come_first_and_the_oldest_go_first() -> None:
    answers = Kept(max_bytes=30)
    for number in range(4):
        answers.put((f"/{number}", b""), body("x" * 8), version_shown)  # ten bytes each
    assert answers.get(("/0", b"")) is None
    assert answers.get(("/2", b"")) is not None
    assert [question for question, _ in answers.most_asked(2)] == [("/2", b""), ("/1", b"")]
    answers.put(("/large", b""), body("x" * 100))
    assert answers.get(("/large", b"")) is None


def test_many_who_ask_the_same_at_once_wait_for_one_rendering(reader: Reader, specs: Specs) -> None:
    follower = Follower(reader, 1, 10)
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

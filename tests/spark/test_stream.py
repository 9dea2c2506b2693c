"""The stream gives the rows of a recompute, however readings are split, repeated or delayed."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lakehouse.checksum import checksum
from lakehouse.delta_log import LOG
from lakehouse.jobs.checkpoint import has_all_to_read, read_options
from lakehouse.jobs.stream import StreamPace
from lakehouse.ledger import project
from lakehouse.location import GAPS
from lakehouse.tables import Lake
from specs.errors import Unavailable
from specs.loader import Specs
from specs.tables import TopicSpec
from tests.edited_specs import edited_specs
from tests.memory_publisher import MemoryPublisher
from tests.rows import after, reading
from tests.spark.pipeline import (
    BRONZE,
    FILE_BY_FILE,
    FILE_BY_FILE_AT_HAND,
    SILVER,
    Pipeline,
    Row,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

HOUR = 3600
KPI = "gold.network_kpi"
MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def make(spark: "SparkSession", tmp_path: Path, specs: Specs) -> MakePipeline:
    def pipeline(name: str = "home", **how: Any) -> Pipeline:
        return Pipeline(spark, tmp_path / name, specs, **how)

    return pipeline


def at(number: int, seconds: float, speed_kmh: float | None = 50.0, segment: str = "s:a") -> Row:
    """Reading ``number``, so many seconds after one o'clock."""
    return reading(number, HOUR + seconds, speed_kmh, segment_id=segment)


FIRST, LAST, EDGE = at(0, 0, 30.0), at(1, 299.999999, 60.0), at(2, 300, 20.0)
MISSING, JUMP, BACK = at(3, 310, None), at(4, 899.999999, 90.0), at(5, 600, 45.0)
OTHER, OTHER_EDGE = at(6, 420, 80.0, "s:b"), at(7, 300.000001, 81.0, "s:b")
NEWEST = at(8, 1500, 70.0)  # moves the watermark to 900
JUST_IN_TIME = at(9, 900.001, 40.0)

SPLITS: dict[str, tuple[bool, Sequence[Sequence[Row]]]] = {
    "one append": (False, [[
        FIRST, LAST, EDGE, MISSING, JUMP, BACK, OTHER, OTHER_EDGE, NEWEST, JUST_IN_TIME, FIRST,
    ]]),
    "five appends, a driver each": (True, [
        [FIRST, LAST, OTHER], [JUMP, FIRST, EDGE], [BACK, MISSING, JUMP, OTHER_EDGE], [NEWEST],
        [JUST_IN_TIME, NEWEST],
    ]),
    "shuffled within the watermark": (False, [
        [OTHER_EDGE, EDGE], [OTHER, FIRST], [LAST, MISSING, JUMP, FIRST], [NEWEST, BACK, JUMP],
        [JUST_IN_TIME, OTHER],
    ]),
}  # fmt: skip
"""Whether the stream runs after each append, and the appends; some readings come twice."""


@pytest.mark.parametrize("pace", [FILE_BY_FILE, FILE_BY_FILE_AT_HAND], ids=["Spark", "driver"])
@pytest.mark.parametrize("split", SPLITS)
def test_the_stream_gives_the_rows_of_a_recompute(
    make: MakePipeline, split: str, pace: StreamPace
) -> None:
    runs_each_time, appends = SPLITS[split]
    streamed, batch = make("streamed", pace=pace), make("batch")
    for rows in appends:
        streamed.land(*rows)
        batch.land(*rows)
        if runs_each_time:
            streamed.run()
    streamed.run()
    batch.recompute()
    assert streamed.rows() == batch.rows()
    assert checksum(streamed.lake(), SILVER) == checksum(batch.lake(), SILVER)
    assert streamed.primary("s:a", "event_count", "speed_kmh_mean", "is_final") == {
        HOUR: (2, 45.0, True), HOUR + 300: (2, 20.0, True), HOUR + 600: (2, 67.5, True),
        HOUR + 900: (1, 40.0, False), HOUR + 1500: (1, 70.0, False),
    }  # fmt: skip
    assert streamed.primary("s:b", "event_count") == {HOUR + 300: (2,)}
    kpis = {row["window_start"]: row["is_final"] for row in streamed.rows(KPI)}
    assert kpis == {
        after(HOUR + start): start < 900 for start in (0, 300, 600, 900, 1500)
    }  # fmt: skip


def test_what_the_watermark_drops_is_reconciled_one_revision_up(make: MakePipeline) -> None:
    pipeline, batch = make("streamed"), make("batch")
    reconciler = pipeline.reconciler()
    pipeline.land(at(0, 0), at(1, 1500))
    pipeline.run()
    late, exactly, in_time = at(2, 10), at(3, 900), at(4, 900.001)  # the watermark stands at 900
    pipeline.land(late, exactly, in_time)
    pipeline.run()
    asked = ("event_count", "revision", "is_final")
    assert pipeline.primary("s:a", *asked) == {
        HOUR: (1, 0, True), HOUR + 900: (1, 0, False), HOUR + 1500: (1, 0, False),
    }  # fmt: skip

    # The first window and its 15-minute ones; what the stream may still change is left to it.
    assert reconciler.reconcile() == 1 + 3
    assert pipeline.primary("s:a", *asked) == {
        HOUR: (2, 1, True), HOUR + 900: (1, 0, False), HOUR + 1500: (1, 0, False),
    }  # fmt: skip
    pipeline.land(at(5, 2400))
    pipeline.run()
    reconciler.reconcile()
    assert pipeline.primary("s:a", *asked) == {
        HOUR: (2, 1, True), HOUR + 900: (2, 1, True), HOUR + 1500: (1, 0, True),
        HOUR + 2400: (1, 0, False),
    }  # fmt: skip
    assert reconciler.reconcile() == 0

    batch.land(*(at(n, s) for n, s in enumerate((0, 1500, 10, 900, 900.001, 2400))))
    batch.recompute()
    assert pipeline.rows() == batch.rows()
    assert batch.recompute() == 0


class Correcting(MemoryPublisher):
    """Lets somebody else reconcile while the n-th batch stands between scores and KPIs."""

    def __init__(self, pipeline: Pipeline, number: int) -> None:
        super().__init__()
        self._pipeline, self._left = pipeline, number

    def flush(self) -> None:
        self._left -= 1
        if not self._left:
            assert self._pipeline.reconciler().reconcile(with_open=True)


def test_a_running_stream_goes_on_from_what_another_has_corrected(make: MakePipeline) -> None:
    pipeline, batch = make("streamed"), make("batch")
    pipeline.publisher = Correcting(pipeline, 4)
    appends = [
        [at(0, 0), at(1, 1500)], [at(2, 900.001)],  # the watermark stands at 900
        [at(3, 900), at(4, 950)], [at(5, 960)], [at(6, 970)],
    ]  # fmt: skip
    for rows in appends:
        pipeline.land(*rows)
        batch.land(*rows)
    pipeline.run()
    batch.recompute()
    assert pipeline.primary("s:a", "event_count")[HOUR + 900] == (5,)
    assert pipeline.rows() == batch.rows()


def test_the_ledger_tells_what_a_batch_left_out(make: MakePipeline) -> None:
    pipeline = make()
    pipeline.land(at(0, 0), at(1, 1500), at(0, 0))
    pipeline.run()
    pipeline.land(at(2, 10), at(3, 900), at(1, 1500), at(1, 1500), at(4, 900.001))
    pipeline.run()  # the watermark stands at 900
    project(pipeline.lake(), [SILVER])
    rows = pipeline.lake().table("ops.ledger").read().to_pylist()
    told = Counter[str]()
    for row in rows:
        told.update(dict(row["verdicts"]))
    assert told == {"duplicate": 3, "late": 2}


class Crashing(MemoryPublisher):
    """Fails in the first call of one kind, as a driver does that dies there."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def _fail(self, kind: str) -> None:
        if kind == self._kind:
            raise Unavailable("crash")

    def send(self, topic: TopicSpec, rows: pa.Table, *, dead: bool = False) -> None:
        self._fail("send")
        super().send(topic, rows, dead=dead)

    def flush(self) -> None:
        self._fail("flush")


def end(pipeline: Pipeline, kind: str) -> None:
    """Run until the driver dies in a call of that kind; its successor's publisher works."""
    pipeline.publisher = Crashing(kind)
    with pytest.raises(Unavailable, match="crash"):
        pipeline.run()
    pipeline.publisher = MemoryPublisher()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("send", id="between silver and gold"),
        pytest.param("flush", id="before the last commit"),
    ],
)
def test_a_crash_after_a_commit_repeats_the_batch_and_doubles_nothing(
    make: MakePipeline, kind: str
) -> None:
    pipeline, undisturbed = make("crashed"), make("undisturbed")
    for one in (pipeline, undisturbed):
        one.land(at(0, 0), at(1, 10))
        one.run()
        one.land(at(2, 20), at(3, 1500))
    end(pipeline, kind)
    before = pipeline.versions()
    pipeline.run()
    undisturbed.run()
    assert pipeline.rows() == undisturbed.rows()
    assert pipeline.rows(KPI) == undisturbed.rows(KPI)
    assert pipeline.primary("s:a", "event_count", "is_final") == {
        HOUR: (3, True), HOUR + 1500: (1, False),
    }  # fmt: skip
    assert pipeline.versions()[SILVER] == before[SILVER]
    assert pipeline.versions()[KPI] == before[KPI] + 1
    # What was committed and not told is told again: both windows, the first as final.
    told = [json.loads(value) for _, value in pipeline.publisher.sent["segment_metric"]]
    final = {row["window_start"] for row in told if row["is_final"]}
    assert "2018-03-05T01:00:00.000000Z" in final


@pytest.mark.parametrize("kind", ["send", "flush"])
def test_a_crash_in_the_first_batch_leaves_out_no_window_that_it_closed(
    make: MakePipeline, kind: str
) -> None:
    pipeline, undisturbed = make("crashed"), make("undisturbed")
    for one in (pipeline, undisturbed):
        one.land(at(0, 0), at(1, 10), at(2, 1500))
    end(pipeline, kind)
    pipeline.run()
    undisturbed.run()
    assert pipeline.rows() == undisturbed.rows()
    assert pipeline.rows(KPI) == undisturbed.rows(KPI) != []


def test_a_window_that_was_corrected_ahead_of_the_stream_keeps_its_revision(
    make: MakePipeline,
) -> None:
    pipeline = make()
    pipeline.land(at(0, 300), at(1, 900))  # the watermark is inside of the first one's window
    pipeline.run()
    pipeline.land(at(2, 350), at(3, 5000))
    pipeline.reconciler().reconcile(with_open=True)
    corrected = pipeline.primary("s:a", "event_count", "revision", "is_final")[HOUR + 300]
    assert corrected == (2, 1, True)
    pipeline.run()
    assert pipeline.primary("s:a", "event_count", "revision", "is_final")[HOUR + 300] == corrected


def test_a_driver_that_ends_inside_a_commit_of_bronze_counts_each_file_of_it_once(
    make: MakePipeline,
) -> None:
    pipeline, undisturbed = make("crashed"), make("undisturbed")
    midnight = 23 * HOUR
    for one in (pipeline, undisturbed):
        one.land(at(0, 0))
        one.run()
        one.land(at(1, midnight - 1), at(2, midnight), at(3, midnight + 1))  # a file a day
    end(pipeline, "send")  # in the first file's batch
    pipeline.run()
    undisturbed.run()
    assert pipeline.rows() == undisturbed.rows()
    assert pipeline.primary("s:a", "event_count") == {
        HOUR: (1,), HOUR + midnight - 300: (1,), HOUR + midnight: (2,),
    }  # fmt: skip


@pytest.fixture
def hiding(make: MakePipeline, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A stream that lists bronze's log while its third commit is not to be seen."""
    pipeline = make()
    for number in range(4):
        pipeline.land(at(number, number))
    commit = pipeline.lake().folder(BRONZE) / LOG / f"{3:020}.json"

    def hide(*arguments: Any) -> dict[str, str]:
        if not commit.with_suffix(".hidden").exists():
            commit.rename(commit.with_suffix(".hidden"))
        return read_options(*arguments)

    monkeypatch.setattr("lakehouse.jobs.stream.read_options", hide)
    return pipeline


def test_a_listing_that_lacked_a_commit_does_not_end_the_stream(
    hiding: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def look_again(lake: Lake, checkpoint: Path) -> bool:
        (hidden,) = (lake.folder(BRONZE) / LOG).glob("*.hidden")
        hidden.rename(hidden.with_suffix(".json"))
        monkeypatch.setattr("lakehouse.jobs.stream.read_options", read_options)
        return has_all_to_read(lake, checkpoint)

    monkeypatch.setattr("lakehouse.jobs.stream.has_all_to_read", look_again)
    with caplog.at_level("WARNING"):
        hiding.run()
    assert [one.message for one in caplog.records if "lacked a commit" in one.message]
    assert hiding.primary("s:a", "event_count") == {HOUR: (4,)}


def test_a_commit_that_is_truly_gone_ends_the_stream(hiding: Pipeline) -> None:
    with pytest.raises(Exception, match="|".join(GAPS)):
        hiding.run()


def test_a_segment_that_is_registered_later_is_picked_up(make: MakePipeline) -> None:
    pipeline = make()
    stream = pipeline.stream()
    pipeline.land(at(0, 0))
    pipeline.run(stream=stream)
    pipeline.register("s:new")
    pipeline.land(at(1, 0, segment="s:new"))
    pipeline.run(stream=stream)
    assert pipeline.primary("s:new", "event_count") == {HOUR: (1,)}


def test_an_edited_window_length_changes_the_windows_with_no_code_edit(
    spark: "SparkSession", tmp_path: Path
) -> None:
    minutes = edited_specs(
        tmp_path, ("transforms.yaml", "id: five_minutes, size_seconds: 300, slide_seconds: 300",
                   "id: five_minutes, size_seconds: 60, slide_seconds: 60"),
    )  # fmt: skip
    pipeline = Pipeline(spark, tmp_path / "home", minutes)
    pipeline.land(at(0, 0), at(1, 59.999999), at(2, 60))
    pipeline.run()
    counted = {
        row["window_start"]: row["event_count"]
        for row in pipeline.rows() if row["window_seconds"] == 60
    }  # fmt: skip
    assert counted == {after(HOUR): 2, after(HOUR + 60): 1}
    assert len(pipeline.rows(KPI)) == 2

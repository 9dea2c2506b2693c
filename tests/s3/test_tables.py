"""Tables in a bucket of a real S3 server: the same rows, two writers, an outage, a locked door."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deltalake.exceptions import DeltaError

from lakehouse.audit.evidence import Evidence
from lakehouse.bucket import S3Path, outage
from lakehouse.bucket_grants import LAKE
from lakehouse.commit import Note, Step
from lakehouse.delta_log import LOG
from lakehouse.location import place, write_whole
from lakehouse.table_snapshot import MOVES_PER_SNAPSHOT
from lakehouse.tables import Lake, LakeTable
from specs.errors import Fenced, Unavailable
from specs.loader import Specs
from tests.rows import metric, reading, table
from tests.s3.store import Store

pytestmark = pytest.mark.stack

BRONZE, SILVER = "bronze.traffic_event", "silver.segment_metric"
NOTE = Note(job="test", spec_version="v")
BATCHES = 60
KILLS = 4


@pytest.fixture
def root(s3: Store, request: pytest.FixtureRequest) -> S3Path:
    where = place(f"s3://{LAKE}/{request.node.name}")
    assert isinstance(where, S3Path)
    return where


@pytest.fixture
def bucket(root: S3Path, specs: Specs) -> Lake:
    return Lake(root, specs)


def test_a_place_in_a_bucket_reads_as_a_folder_does(root: S3Path, tmp_path: Path) -> None:
    for where in (root, tmp_path):
        below = where / "a"
        below.mkdir(parents=True, exist_ok=True)
        assert not (below / "x.json").exists()
        write_whole(below / "x.json", "one\u2028line\n")
        write_whole(below / "x.json", "another\u2028line\n")
        assert (below / "x.json").read_text() == "another\u2028line\n"
        assert [path.name for path in below.iterdir()] == ["x.json"]
        assert next(iter(below.iterdir())).stat().st_size == 15
        assert (below / "x.json").stat().st_mtime > 1_700_000_000
        with pytest.raises(FileNotFoundError):
            (below / "y.json").read_text()
        (below / "x.json").unlink()
        (below / "x.json").unlink(missing_ok=True)
        assert not (below / "x.json").exists()


def test_rows_commits_and_upkeep_are_those_of_a_folder(bucket: Lake, lake: Lake, s3: Store) -> None:
    for where in (bucket, lake):
        bronze, silver = where.table(BRONZE), where.table(SILVER)
        for number in range(6):
            bronze.append(table(where, BRONZE, [reading(number, 0)]), NOTE, [
                Step("w", number - 1 if number else None, number)])  # fmt: skip
            silver.merge(table(where, SILVER, [metric("s:a", number % 2)]), NOTE)
        assert bronze.compact(NOTE, min_files=3, target_bytes=10**8) == (6, 1)
        bronze.checkpoint()
        assert bronze.vacuum(0) == 6
        noted = [one.version for one in bronze.commits(after=-1) if one.note is not None]
        assert noted == [1, 2, 3, 4, 5, 6, 7]
        with Evidence(where, ["bronze", "silver"]) as evidence:
            assert evidence.one("SELECT count(*) FROM bronze") == 6
            assert evidence.one("SELECT count(*) FROM silver") == 2
            assert evidence.file_check().is_ok
    fresh, here = Lake(bucket.root, bucket.specs), Lake(lake.root, lake.specs)
    for name in (BRONZE, SILVER):
        assert fresh.table(name).version == here.table(name).version
        order = [("offset" if name == BRONZE else "window_start", "ascending")]
        assert fresh.table(name).read().sort_by(order) == here.table(name).read().sort_by(order)
    folder = bucket.folder(BRONZE)
    assert isinstance(folder, S3Path)
    assert (folder / LOG / f"{6:020}.crc").exists()
    (data_file,) = fresh.table(BRONZE).files()
    on_disk = s3.folder / data_file.removeprefix("s3://")
    on_disk.unlink()
    with Evidence(Lake(bucket.root, bucket.specs), ["bronze"]) as evidence:
        lost = evidence.file_check()
    assert (lost.expected, lost.found, lost.examples) == (1, 0, (on_disk.name,))


def test_two_writers_and_a_server_that_is_killed_again_and_again_lose_and_double_nothing(
    bucket: Lake, s3: Store
) -> None:
    bucket.table(BRONZE)

    def write(writer: int) -> None:
        own = Lake(bucket.root, bucket.specs).table(BRONZE)
        for number in range(BATCHES):
            row = reading(number, 0, partition=writer)
            step = Step(f"w/{writer}", number - 1 if number else None, number)
            own.append(table(bucket, BRONZE, [row]), NOTE, [step])

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, writer) for writer in range(2)]
        for killed in range(KILLS):
            until(bucket.table(BRONZE), (killed + 1) * BATCHES // 3)
            s3.kill()
            s3.start()
        for writer in writers:
            writer.result()
    bronze = Lake(bucket.root, bucket.specs).table(BRONZE)
    rows = bronze.read(columns=["partition", "offset"]).to_pylist()
    assert sorted((row["partition"], row["offset"]) for row in rows) == [
        (writer, number) for writer in range(2) for number in range(BATCHES)
    ]
    assert bronze.version == 2 * BATCHES


def test_a_commit_takes_a_fixed_number_of_requests(bucket: Lake, s3: Store) -> None:
    """The figures of docs/scale.md: what an append and a MERGE ask of the store."""
    bronze, silver = bucket.table(BRONZE), bucket.table(SILVER)
    asked: dict[str, Counter[str]] = {}
    for count in (MOVES_PER_SNAPSHOT, 2 * MOVES_PER_SNAPSHOT):  # the table is opened anew once more
        for name in ("append", "merge"):
            before = s3.requests()
            for number in range(MOVES_PER_SNAPSHOT):
                at = count + number
                if name == "append":
                    step = Step("w", at - 1 if at > MOVES_PER_SNAPSHOT else None, at)
                    bronze.append(table(bucket, BRONZE, [reading(at, 0)]), NOTE, [step])
                else:
                    silver.merge(table(bucket, SILVER, [metric("s:a", 0)]), NOTE)
            asked[name] = s3.requests() - before
    print({name: {method: each / MOVES_PER_SNAPSHOT for method, each in found.items()}
           for name, found in asked.items()})  # fmt: skip
    # data file and commit, and for bronze the checksum that Spark reads
    assert asked["append"]["PutObject"] == 3 * MOVES_PER_SNAPSHOT
    assert asked["merge"]["PutObject"] == 2 * MOVES_PER_SNAPSHOT
    assert sum(asked["append"].values()) < 15 * MOVES_PER_SNAPSHOT
    assert sum(asked["merge"].values()) < 18 * MOVES_PER_SNAPSHOT


def until(bronze: LakeTable, version: int) -> None:
    while bronze.refresh() < version:
        pass


def test_who_was_overtaken_is_fenced_in_a_bucket_too(bucket: Lake) -> None:
    first, second = bucket.table(BRONZE), Lake(bucket.root, bucket.specs).table(BRONZE)
    first.append(table(bucket, BRONZE, [reading(0, 0)]), NOTE, [Step("w", None, 0)])
    with pytest.raises(Fenced):
        second.append(table(bucket, BRONZE, [reading(0, 0)]), NOTE, [Step("w", None, 0)])
    assert first.refresh() == 1


@pytest.fixture
def hasty(root: S3Path) -> S3Path:
    return S3Path(root.url, patience_seconds=0.5)


@pytest.fixture(params=["nobody answers", "a wrong secret", "no such bucket"])
def closed(
    request: pytest.FixtureRequest, hasty: S3Path, s3: Store, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[S3Path, str]]:
    """A place that cannot be had, and a word that the reason has."""
    if request.param == "no such bucket":
        yield S3Path("s3://nowhere/lake", 0.5), "nowhere"
    elif request.param == "a wrong secret":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        yield hasty, "403"
    else:
        s3.kill()
        yield hasty, "127.0.0.1"
        s3.start()


def test_what_cannot_be_had_is_said_in_one_line(closed: tuple[S3Path, str], specs: Specs) -> None:
    where, word = closed
    with pytest.raises((OSError, DeltaError, Unavailable)) as raised:
        Lake(where, specs).table(BRONZE)
    said = outage(raised.value)
    assert said is not None, raised.value
    assert word in said
    assert "\n" not in said
    assert "AWS_SECRET" not in said
    with pytest.raises(Unavailable) as refused:
        write_whole(where / "x", "y")
    assert "\n" not in str(refused.value)

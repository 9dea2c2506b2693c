"""The whole pipeline on a bucket: two landers, the stream, corrections, upkeep, SQL, the proof."""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from lakehouse.bucket import S3Path
from lakehouse.bucket_grants import ARTIFACTS, CHECKPOINTS, LAKE, MLFLOW, TABLES, grants, users
from lakehouse.exporter.loop import QUICK, SLOW, Exporter
from lakehouse.kafka_grants import EXPORTER, OPERATOR, SETUP
from lakehouse.metrics import Metrics
from lakehouse.runtime import stack
from lakehouse.runtime.trino import TRINO
from lakehouse.services import kafka_access
from lakehouse.serving.news import News
from lakehouse.serving.watcher import Watcher
from lakehouse.tables import Lake
from lakehouse.trino.client import Client, Endpoint
from lakehouse.trino.home import OWNER
from specs.errors import Unavailable
from tests.chaos.child import PATIENCE_SECONDS, Child
from tests.chaos.registry import registry
from tests.chaos.world import START, World, world
from tests.s3.store import Store

pytestmark = pytest.mark.stack

BRONZE, SILVER, KPI = "bronze.traffic_event", "silver.segment_metric", "gold.network_kpi"
SOME = timedelta(minutes=10)
PROBE = "probe"
SMALL = {"land_max_records": "60", "land_max_seconds": "0.05"}
ADDRESSES = {
    "lake_url": f"s3://{LAKE}/{TABLES}", "checkpoints_url": f"s3://{LAKE}/{CHECKPOINTS}",
}  # fmt: skip


@pytest.fixture(scope="module")
def city(s3: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A city whose tables and checkpoints are in the bucket; every command is told so."""
    folder = tmp_path_factory.mktemp("city")
    uri = f"sqlite:///{folder / 'registry' / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ADDRESSES, "mlflow_uri": uri}.items():
            patch.setenv(f"TRAFFIC_{name.upper()}", value)
        with Child.start("registry", folder, {}, registry, folder / "registry") as models:
            models.report(PATIENCE_SECONDS)
        with ExitStack() as open_for_all:
            with known_as(s3, SETUP):  # who registers the segments
                made = open_for_all.enter_context(
                    world(folder / "home", seed=3, spark_driver_memory="1g", **ADDRESSES)
                )
            with made.command("deploy", "tables", key=s3.key(SETUP)) as setup:
                setup.report(PATIENCE_SECONDS)
            yield made


@contextmanager
def known_as(s3: Store, user: str) -> Iterator[None]:
    """Come to the store with that service's key."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.key(user).items():
            patch.setenv(name, value)
        yield


def version(city: World, name: str) -> int:
    return city.lake().table(name).version


def is_past(city: World, name: str, before: int) -> bool:
    return version(city, name) > before


def restart(s3: Store) -> None:
    s3.kill()
    s3.start()


def test_nothing_is_lost_though_the_store_is_killed_again_and_again(city: World, s3: Store) -> None:
    # Two landers at once, and the store dies under them.
    landers = [
        city.command("land", name=name, key=s3.key("lander"), **SMALL)
        for name in ("first", "second")
    ]
    with landers[0], landers[1]:
        for _ in range(3):
            city.send(SOME)
            landers[0].until(partial(is_past, city, BRONZE, version(city, BRONZE) + 2), "they land")
            restart(s3)
        landers[0].until(lambda: not city.landing_faults(), "all is landed")

        # The stream beside them, and the store dies under it too.
        with city.command("stream", key=s3.key("stream"), spark_driver_memory="1g") as stream:
            stream.until(city.is_told, "it has caught up")
            for _ in range(2):
                city.send(SOME)
                stream.until(
                    partial(is_past, city, SILVER, version(city, SILVER)), "silver has news"
                )
                restart(s3)
            stream.until(lambda: not city.landing_faults(), "all is landed again")
            stream.until(city.is_told, "silver and gold have it")
            stream.signal(signal.SIGTERM)
            stream.report(PATIENCE_SECONDS)
        for lander in landers:
            assert lander.is_alive, lander.said()
            lander.signal(signal.SIGTERM)
            lander.report(PATIENCE_SECONDS)


def test_corrections_and_upkeep_work_on_the_bucket_and_the_audit_is_even(
    city: World, s3: Store
) -> None:
    run = partial(city.run, key=s3.key(OPERATOR))
    run("silver", "reconcile", name="reconcile")
    span = ["--from", f"{START:%Y-%m-%dT%H:%M}", "--to", f"{city.clock:%Y-%m-%dT%H:%M}"]
    assert run("silver", "recompute", *span, name="silver") == {"rows_written": 0}
    run("gold", "recompute", *span, name="gold")
    kept = run("maintain", "--json", name="maintain")
    assert kept[BRONZE]["compacted"] > 0
    assert kept[BRONZE]["files"] < kept[BRONZE]["compacted"]
    audit = run("audit", "--json", name="audit")
    assert [check for check in audit["checks"] if not check["is_ok"]] == []
    assert audit["audit_ok"] is True
    assert not list(city.settings.home.rglob("*.parquet")), "nothing of it is on this disk"


def test_trino_reads_the_bucket(city: World, s3: Store, tmp_path: Path) -> None:
    settings = city.settings.model_copy(update={"home": tmp_path, "trino_port": 0})
    with (
        known_as(s3, "trino"),
        stack.running(settings, (TRINO,)) as endpoints,
        Client(Endpoint.of(settings, endpoints["trino"], OWNER)) as client,
    ):
        for name in (BRONZE, SILVER, KPI):
            rows = city.lake().table(name).dataset().count_rows()
            assert client.rows(f"SELECT count(*) FROM {name}") == [[rows]]
            assert rows > 0


def test_the_api_and_the_exporter_see_all_that_they_look_at(city: World, s3: Store) -> None:
    with known_as(s3, "api"):
        seen = Watcher(city.settings.lake, city.specs).look(list)
    assert isinstance(seen, News), seen
    told = Metrics(city.specs.ops, "exporter")
    lake = Lake(city.settings.lake, city.specs, told)
    with known_as(s3, EXPORTER):
        checkpoint = city.settings.stream_checkpoint
        Exporter(lake, checkpoint, lambda: kafka_access(city.settings, EXPORTER)).look()
    seen_by_it = told.text().decode()
    for part in (*QUICK, *SLOW, "kafka"):
        assert f'traffic_exporter_success_timestamp_seconds{{part="{part}"}}' in seen_by_it, part


def test_every_user_may_do_what_the_specs_grant_and_nothing_else(city: World, s3: Store) -> None:
    tables = {f"{LAKE}/{TABLES}/{name.replace('.', '/')}" for name in city.specs.tables}
    places = {*tables, f"{LAKE}/{CHECKPOINTS}", f"{LAKE}/elsewhere", f"{ARTIFACTS}/1"}
    for where in places:
        S3Path(f"s3://{where}/{PROBE}").write_text("seen")
    for user in users(city.specs):
        mine = [one for one in grants(city.specs) if one.user == user]
        with known_as(s3, user):
            for where in places:
                does = {one.operation for one in mine if f"{where}/{PROBE}".startswith(one.place)}
                expected = {
                    "list": any(where.startswith(f"{one.bucket}/") for one in mine),
                    "read": "read" in does, "delete": "write" in does, "write": "write" in does,
                }  # fmt: skip
                assert allowed(S3Path(f"s3://{where}")) == expected, (user, where)


def allowed(where: S3Path) -> dict[str, bool]:
    """What may be done where there is a probe, and is done to it."""
    probe = where / PROBE
    tries: dict[str, Callable[[], object]] = {
        "list": where.files, "read": probe.read_text, "delete": probe.unlink,
        "write": lambda: probe.write_text("seen"),
    }  # fmt: skip
    return {operation: is_let(attempt) for operation, attempt in tries.items()}


def is_let(attempt: Callable[[], object]) -> bool:
    """Whether the store lets it be done; raises what else it says."""
    try:
        attempt()
    except Unavailable as refusal:
        if "ACCESS_DENIED" not in str(refusal):
            raise
        return False
    return True


def test_mlflow_keeps_artifacts_in_its_bucket_with_its_own_key(
    s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", s3.endpoint)
    (tmp_path / "model.txt").write_text("trees")
    kept = S3ArtifactRepository(f"s3://{ARTIFACTS}/1")
    with known_as(s3, MLFLOW):
        kept.log_artifact(str(tmp_path / "model.txt"), "run")
        assert [one.path for one in kept.list_artifacts("run")] == ["run/model.txt"]
        assert Path(kept.download_artifacts("run/model.txt")).read_text() == "trees"
        kept.delete_artifacts("run")


def test_a_job_with_anothers_key_ends_with_one_line(city: World, s3: Store) -> None:
    for arguments in (("land", "--once"), ("stream", "--once"), ("maintain",)):
        with city.command(*arguments, name=f"refused-{arguments[0]}", key=s3.key("api")) as job:
            assert job.ended(PATIENCE_SECONDS) == 1
            only_line(job, s3.endpoint)


def test_a_store_that_does_not_answer_ends_each_job_with_one_line(city: World, s3: Store) -> None:
    hasty = {"s3_patience_seconds": "1"}
    s3.kill()
    for arguments in (("land", "--once"), ("stream", "--once"), ("maintain",), ("audit",)):
        with city.command(*arguments, name=f"shut-{arguments[0]}", **hasty) as job:
            assert job.ended(PATIENCE_SECONDS) == 1
            said = only_line(job, s3.endpoint)
            assert "Connection refused" in said or "Could not connect" in said  # delta-rs, Arrow
    s3.start()
    assert city.landing_faults() == []


@pytest.mark.parametrize(
    ("variable", "value", "code", "why"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", 1, "403|SIGNATURE_DOES_NOT_MATCH"),
        ("AWS_SECRET_ACCESS_KEY", "", 2, "set AWS_SECRET_ACCESS_KEY"),
        ("TRAFFIC_LAKE_URL", "s3://nowhere/lake", 1, "nowhere"),
        ("TRAFFIC_LAKE_URL", "lake", 2, "TRAFFIC_LAKE_URL: String should match"),
    ],
)
def test_a_bucket_that_cannot_be_had_ends_a_job_with_one_line(
    variable: str, value: str, code: int, why: str, city: World
) -> None:
    variables = {
        "TRAFFIC_HOME": str(city.settings.home), "TRAFFIC_KAFKA_BOOTSTRAP": city.bootstrap,
        "TRAFFIC_S3_PATIENCE_SECONDS": "1", variable: value,
    }  # fmt: skip
    for arguments in (("land", "--once"), ("stream", "--once"), ("audit",)):
        with Child.command(city.settings.log, variables, *arguments) as job:
            assert job.ended(PATIENCE_SECONDS) == code
            only_line(job, why)


def only_line(job: Child, why: str) -> str:
    """The one line of a job's that tells ``why``, a pattern, it has ended."""
    said = job.log.read_text()
    found = [line for line in said.splitlines() if re.search(why, line)]
    assert len(found) == 1, said
    assert "Traceback" not in said
    return found[0]

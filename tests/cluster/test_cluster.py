"""The stream on a Spark cluster: two workers, six partitions, two landers; each is killed once."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from lakehouse.runtime import process, stack
from lakehouse.runtime.spark_cluster import CLUSTER
from lakehouse.runtime.stack import endpoints
from tests.chaos.child import PATIENCE_SECONDS, Child, wait_until
from tests.chaos.registry import registry
from tests.chaos.world import World, world

pytestmark = pytest.mark.stack

BRONZE, SILVER, TOPIC = "bronze.traffic_event", "silver.segment_metric", "traffic_event"
PARTITIONS = 6
SOME = timedelta(minutes=10)
LANDER = {"land_max_records": "100", "land_max_seconds": "0.1", "land_session_seconds": "6"}
EXECUTOR = "CoarseGrainedExecutorBackend"
SMALL = {"spark_driver_memory": "800m", "spark_executor_memory": "600m", "stream_small_rows": "0"}
"""Every batch goes to the executors."""


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("cluster")
    with Child.start("registry", folder, {}, registry, folder / "registry") as models:
        models.report(PATIENCE_SECONDS)
    with world(folder / "home", seed=5, spark_master_port=0, **SMALL) as made:
        admin = AdminClient({"bootstrap.servers": made.bootstrap})
        admin.create_partitions([NewPartitions(TOPIC, PARTITIONS)])[TOPIC].result()
        wait_until(lambda: len(made.offsets()) == PARTITIONS, "the topic has six partitions")
        yield made


def stream(city: World, name: str) -> Child:
    """A driver of the cluster's."""
    models = city.settings.home.parent / "registry" / "mlflow.db"
    return city.command(
        "stream", name=name, spark_master=endpoints(city.settings.home)["spark-master"],
        mlflow_uri=f"sqlite:///{models}", **SMALL,
    )  # fmt: skip


def executors(home: Path) -> list[int]:
    """Those that work below this home."""
    found = []
    for one in psutil.process_iter(["cmdline", "cwd"]):
        is_executor = any(EXECUTOR in part for part in one.info["cmdline"] or ())
        if is_executor and Path(one.info["cwd"] or "/").is_relative_to(home / "work"):
            found.append(one.pid)
    return found


def goes_on(city: World, driver: Child, what: str) -> None:
    """More readings come, and silver and gold have them."""
    city.send(SOME)
    wait_until(lambda: not city.landing_faults(), f"{what}: all is landed")
    driver.until(city.is_told, f"{what}: silver and gold have it")


def test_a_worker_a_lander_and_the_driver_are_killed_and_the_audit_is_even(city: World) -> None:
    stack.up(city.settings, CLUSTER)
    with (
        city.command("land", name="first", **LANDER) as first,
        city.command("land", name="second", **LANDER) as second,
    ):
        with stream(city, "driver") as driver:
            goes_on(city, driver, "at first")
            assert len(executors(city.settings.home)) == 2
            assert all(end > 0 for _, end in city.offsets().values())

            worker = process.records(city.settings.run)["spark-worker-1"].pid
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: len(executors(city.settings.home)) == 1, "its executor ends")
            goes_on(city, driver, "with one worker")
            stack.up(city.settings, CLUSTER, heal=True)
            wait_until(lambda: len(executors(city.settings.home)) == 2, "its heir takes its place")
            goes_on(city, driver, "with two again")

            second.kill()
            goes_on(city, driver, "with one lander")

            city.send(SOME)
            before = city.lake().table(SILVER).version
            wait_until(lambda: city.lake().table(SILVER).version > before, "a batch is on its way")
            driver.kill()
        with stream(city, "heir") as heir:
            goes_on(city, heir, "with another driver")
            heir.signal(signal.SIGTERM)
            heir.report(PATIENCE_SECONDS)
        first.signal(signal.SIGTERM)
        first.report(PATIENCE_SECONDS)
    with stream_of_corrections(city) as corrections:
        corrections.report(PATIENCE_SECONDS)
    audit = city.run("audit", "--json", "--without-models", name="audit")
    assert [check for check in audit["checks"] if not check["is_ok"]] == []
    assert audit["audit_ok"] is True


def stream_of_corrections(city: World) -> Child:
    """Late readings, brought in by a job on the driver's own machine."""
    models = city.settings.home.parent / "registry" / "mlflow.db"
    return city.command(
        "silver", "reconcile", name="reconcile", mlflow_uri=f"sqlite:///{models}", **SMALL
    )

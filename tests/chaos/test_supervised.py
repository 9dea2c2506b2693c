"""Lander and stream under `traffic up --with pipeline`: healed, and ended in order."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ingestion.topics import TopicAdmin
from lakehouse.audit import balance
from lakehouse.jobs.checkpoint import told_through
from lakehouse.runtime import process
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.mlflow import MLFLOW
from lakehouse.runtime.pipeline import PIPELINE
from lakehouse.runtime.stack import down, endpoints, status, up
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import Specs

pytestmark = pytest.mark.stack

ALL = (KAFKA, MLFLOW, *PIPELINE)
SEGMENTS, READINGS = 20, 400
PATIENCE_SECONDS = 180.0


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / "home", kafka_port=0, mlflow_port=0)
    yield settings
    down(settings)


def run(settings: Settings, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-P", "-m", "lakehouse", *arguments], env=settings.environment(),
        check=True, timeout=PATIENCE_SECONDS, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def produce(settings: Settings, seed: int) -> None:
    run(
        settings, "produce", "simulate", "--segments", str(SEGMENTS), "--rate", str(READINGS),
        "--seconds", "1", "--unpaced", "--seed", str(seed),
    )  # fmt: skip


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_is_killed_or_hangs_is_restarted_and_nothing_is_lost(
    settings: Settings, specs: Specs
) -> None:
    lake = Lake(settings.lake, specs)
    bronze, checkpoint = lake.table("bronze.traffic_event"), settings.stream_checkpoint

    def all_is_streamed(rows: int) -> bool:
        bronze.refresh()
        landed = bronze.dataset().count_rows()
        return landed >= rows and told_through(lake, checkpoint) == bronze.version

    assert {server.state for server in up(settings, ALL)} == {"up"}
    run(settings, "segment", "load", "simulator", "--segments", str(SEGMENTS))
    produce(settings, 1)
    until(lambda: all_is_streamed(READINGS))

    before = process.records(settings.run)
    os.kill(before["stream"].pid, signal.SIGKILL)
    psutil.Process(before["stream"].pid).wait()
    os.kill(before["lander"].pid, signal.SIGSTOP)
    found = {server.name: server.state for server in status(settings)}
    assert found == {"kafka": "up", "mlflow": "up", "lander": "unresponsive", "stream": "dead"}
    produce(settings, 2)
    assert {server.state for server in up(settings, ALL, heal=True)} == {"up"}
    after = process.records(settings.run)
    assert {name for name in after if after[name].pid != before[name].pid} == {"lander", "stream"}
    until(lambda: all_is_streamed(2 * READINGS))
    with TopicAdmin(endpoints(settings.home)["kafka"], specs.ops.retries.unavailable) as admin:
        offsets = admin.offsets(["traffic_event"])
    held = {one.partition: (one.begin, one.end) for one in offsets}
    assert [check for check in balance(lake, held) if not check.is_ok] == []

    assert sorted(down(settings)) == ["kafka", "lander", "mlflow", "stream"]
    assert process.members(settings.run) == {}
    for name in ("lander", "stream"):
        said = (settings.log / f"{name}.log").read_text().splitlines()
        (report,) = [line for line in said if line.startswith("{") and '"batches"' in line]
        assert json.loads(report)["batches"] > 0, f"{name} was not left to finish"

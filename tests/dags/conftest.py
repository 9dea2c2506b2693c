"""One Kafka, MLflow and Airflow on a small lake, for all tests of this group."""

import io
import json
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from lakehouse.runtime import airflow, process
from lakehouse.runtime.airflow import AIRFLOW, PROGRAMS
from lakehouse.runtime.airflow_api import AirflowApi
from lakehouse.runtime.server import Launch
from lakehouse.runtime.stack import endpoints, running, up
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.loader import Specs

SEGMENTS, INTERVAL_SECONDS = 20, 300
START = datetime(2024, 5, 5, 21, tzinfo=UTC)
"""Sunday evening, so that each part of a training's split of two days holds a rush hour."""
HISTORY = timedelta(days=2)
LATE = timedelta(hours=10, seconds=7)
"""After `START`: half an hour of which further readings come when all of `HISTORY` is streamed."""
STREAMED = (datetime(2024, 5, 8, tzinfo=UTC), datetime(2024, 5, 10, tzinfo=UTC))
"""Two whole days that are streamed with a model."""

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
COMMAND_SECONDS = 600.0


@dataclass(frozen=True)
class Lakehouse:
    """Our commands and Airflow's, on one home."""

    settings: Settings
    specs: Specs
    said: io.StringIO = field(default_factory=io.StringIO)
    """What the start of Airflow told the person who started it."""

    def traffic(self, *arguments: str) -> str:
        """What a command of ours prints."""
        return _ran([str(program(self.settings)), *arguments], self.settings.environment())

    def airflow(self, *arguments: str) -> str:
        """What a command of Airflow prints."""
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(COMMAND_SECONDS)
            door.connect(str(door_of(self.settings, "airflow")))
            door.sendall(json.dumps(arguments).encode() + b"\n")
            with door.makefile() as answer:
                said = answer.read()
        assert said.endswith('\n{"status": 0}\n'), f"airflow {arguments}\n{said[-9000:]}"
        return said

    @property
    def url(self) -> str:
        """Airflow's address."""
        return endpoints(self.settings.home)["airflow"]

    def lake(self) -> Lake:
        """Fresh snapshots of the tables."""
        return Lake(self.settings.lake, self.specs)

    def produce(self, start: datetime, length: timedelta, *disturbance: str) -> None:
        """Readings of the city to Kafka."""
        self.traffic(
            "produce", "simulate", "--segments", str(SEGMENTS), "--unpaced",
            "--rate", str(SEGMENTS / INTERVAL_SECONDS), "--seconds", str(length.total_seconds()),
            "--start", start.strftime("%Y-%m-%dT%H:%M:%S"), *disturbance,
        )  # fmt: skip

    def run_here(
        self, dag_id: str, *, at: datetime | None = None, **conf: Any
    ) -> Mapping[str, str]:
        """`airflow dags test`: run a DAG here and now; state of each task, by its id."""
        arguments = [] if at is None else [at.isoformat()]
        if conf:
            arguments += ["--conf", json.dumps(conf)]
        self.airflow("dags", "test", dag_id, *arguments)
        (newest, *_) = self.api.runs(dag_id)
        assert newest["state"] == "success"
        return self.tasks(dag_id, newest["dag_run_id"])

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """State of each task of a run; of a mapped one of each day, as ``id[number]``."""
        return {
            one["task_id"] + ("" if one["map_index"] < 0 else f"[{one['map_index']}]"): one["state"]
            for one in self.api.tasks(dag_id, run_id)
        }

    @cached_property
    def api(self) -> AirflowApi:
        """Airflow's API."""
        return AirflowApi(self.url, airflow.password_file(self.settings))


def _ran(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False,
        timeout=COMMAND_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def lakehouse(tmp_path_factory: pytest.TempPathFactory, specs: Specs) -> Iterator[Lakehouse]:
    """Two days of a city, some of it doubled or malformed, streamed without a model yet."""
    settings = Settings(
        home=tmp_path_factory.mktemp("dags"), kafka_port=0, mlflow_port=0, airflow_port=0
    )
    with running(settings):
        made = Lakehouse(settings, specs)
        ours = {**settings.environment(), "PYTHONPATH": str(ROOT)}
        with (
            _answered(settings, "traffic", sys.executable, ours),
            ThreadPoolExecutor(1) as beside,
        ):
            history = beside.submit(_stream_history, made)
            with redirect_stderr(made.said):
                up(settings, [replace(AIRFLOW, prepare=_prepare)])
            airflows = _warm(settings, int(made.url.rpartition(":")[2]))
            with _answered(settings, "airflow", str(PROGRAMS / "python"), airflows):
                history.result()
                yield made
    assert process.members(settings.run) == {}, "`traffic down` leaves nothing behind"


def door_of(settings: Settings, name: str) -> Path:
    """Where the commands of `airflow` or `traffic` are answered."""
    return settings.run / f"{name}.sock"


def program(settings: Settings) -> Path:
    """What runs our commands in processes that are warm."""
    path = settings.run / "traffic"
    if not path.exists():
        real = Path(sys.executable).with_name("traffic")
        command = [sys.executable, "-SE", str(FOLDER / "warm_traffic.py"), str(real)]
        words = shlex.join([*command, str(door_of(settings, "traffic"))])
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        path.chmod(0o755)
    return path


def _warm(settings: Settings, port: int) -> dict[str, str]:
    """Airflow's environment, where tasks run our commands by `program`."""
    return {**airflow.environment(settings, port), "TRAFFIC_PROGRAM": str(program(settings))}


def _prepare(settings: Settings, port: int) -> Launch:
    return replace(AIRFLOW.prepare(settings, port), environment=_warm(settings, port))


@contextmanager
def _answered(
    settings: Settings, name: str, python: str, environment: Mapping[str, str]
) -> Iterator[None]:
    """Have these commands answered, by ``NAME_commands.py``."""
    door, log = door_of(settings, name), settings.log / f"{name}_commands.log"
    command = [python, "-P", str(FOLDER / f"{name}_commands.py"), str(door)]
    with log.open("w") as said:
        server = subprocess.Popen(command, env=dict(environment), stdout=said, stderr=said)
    try:
        deadline = time.monotonic() + COMMAND_SECONDS
        while not door.exists():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait()


def _stream_history(lakehouse: Lakehouse) -> None:
    lakehouse.traffic("topic", "create")
    lakehouse.traffic("segment", "load", "simulator", "--segments", str(SEGMENTS))
    lakehouse.produce(START, HISTORY, "--duplicate", "0.02", "--malformed", "0.02")
    lakehouse.traffic("land", "--once")
    lakehouse.traffic("stream", "--once")

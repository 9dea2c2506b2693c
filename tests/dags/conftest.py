"""One Kafka, MLflow and Airflow on a small lake, for all tests of this group."""

import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from lakehouse.runtime import airflow, process
from lakehouse.runtime.airflow import AIRFLOW, PROGRAMS
from lakehouse.runtime.airflow_api import AirflowApi
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

COMMANDS = Path(__file__).with_name("airflow_commands.py")
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
        return _ran([sys.executable, "-m", "lakehouse", *arguments], self.settings.environment())

    def airflow(self, *arguments: str) -> str:
        """What a command of Airflow prints."""
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(COMMAND_SECONDS)
            door.connect(self.commands)
            door.sendall(json.dumps(arguments).encode() + b"\n")
            with door.makefile() as answer:
                said = answer.read()
        assert said.endswith('\n{"status": 0}\n'), f"airflow {arguments}\n{said[-9000:]}"
        return said

    @property
    def commands(self) -> str:
        """Where `airflow_commands.py` listens."""
        return str(self.settings.run / "commands.sock")

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
        with ThreadPoolExecutor(1) as beside:
            history = beside.submit(_stream_history, made)
            with redirect_stderr(made.said):
                up(settings, [AIRFLOW])
            with _commands(made):
                history.result()
                yield made
    assert process.members(settings.run) == {}, "`traffic down` leaves nothing behind"


@contextmanager
def _commands(lakehouse: Lakehouse) -> Iterator[None]:
    """Have Airflow's commands answered."""
    port = int(lakehouse.url.rpartition(":")[2])
    log = lakehouse.settings.log / "airflow_commands.log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [str(PROGRAMS / "python"), "-P", str(COMMANDS), lakehouse.commands],
            env=airflow.environment(lakehouse.settings, port), stdout=said, stderr=said,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + COMMAND_SECONDS
        while not Path(lakehouse.commands).exists():
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

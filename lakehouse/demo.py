"""The whole lakehouse on two weeks of New York: real servers, real processes, the real proof."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ingestion.landing import landed_offsets
from ingestion.registration import register_segments
from ingestion.topics import TopicAdmin
from lakehouse.audit import Check, balance
from lakehouse.jobs.checkpoint import told_through
from lakehouse.jobs.training import train_model
from lakehouse.kafka_grants import OPERATOR, SETUP
from lakehouse.logs import last_words
from lakehouse.metrics.scrape import values
from lakehouse.runtime import stack
from lakehouse.services import kafka_access
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.errors import Unavailable
from specs.loader import load_specs

SOURCE = "nyc_dot"
LAST_DAY = datetime(2018, 3, 18, 4, tzinfo=UTC)
"""Midnight in New York before the last day of the data that ships."""
LIVE_RATE = 4000
PARTITIONS = 1
"""Thirteen days come in seconds: of several partitions, all but the foremost would be late."""

DISTURBANCE = ("--malformed", "0.01", "--duplicate", "0.01", "--late", "0.01", "--seed", "1")
PATIENCE_SECONDS = 900.0
POLL_SECONDS = 1.0
STOP_SECONDS = 60.0


@dataclass
class Outcome:
    """What the demo has seen."""

    lake: Lake
    live_since: int = 0
    model_version: int = 0
    truth: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)


@contextmanager
def _phase(outcome: Outcome, name: str, tell: Callable[[str], None]) -> Iterator[None]:
    tell(name)
    began = time.monotonic()
    yield
    outcome.seconds[name] = time.monotonic() - began


class Processes:
    """The project's own commands, run side by side, each with its log."""

    def __init__(self, settings: Settings) -> None:
        """Run them on the home of ``settings``."""
        self._settings = settings
        self._running: dict[str, subprocess.Popen[str]] = {}
        settings.log.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *arguments: str) -> None:
        """Start `traffic` with ``arguments``."""
        with (self._settings.log / f"{name}.log").open("w") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603  (our own command)
                [sys.executable, "-m", "lakehouse", *arguments], stdout=subprocess.PIPE,
                stderr=log, text=True, env=self._settings.environment(),
            )  # fmt: skip

    def is_running(self, name: str) -> bool:
        """Whether the process has not ended."""
        return self._running[name].poll() is None

    def check(self) -> None:
        """Raise `Unavailable` if a process has failed."""
        for name, process in self._running.items():
            if process.poll():
                log = self._settings.log / f"{name}.log"
                said = last_words(log.read_text(errors="replace")) or "nothing in its log"
                raise Unavailable(f"`traffic {name}` ended with {process.returncode}: {said}")

    def result(self, name: str) -> dict[str, Any]:
        """Wait for the end of a process and read the JSON it prints."""
        output, _ = self._running[name].communicate(timeout=PATIENCE_SECONDS)
        self.check()
        found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        return found

    def stop(self, name: str) -> dict[str, Any]:
        """Ask a process to finish its batch and end, and read the JSON it prints."""
        self._running[name].send_signal(signal.SIGTERM)
        return self.result(name)

    def kill(self) -> None:
        """Leave nothing behind."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Demo:
    """One run, from an empty home to the balance."""

    def __init__(self, settings: Settings, tell: Callable[[str], None]) -> None:
        """Run below ``settings.home``, which is emptied; ``tell`` shows a line of progress."""
        self._settings, self._tell = settings, tell
        if settings.home.exists():
            stack.down(settings)
            shutil.rmtree(settings.home)
        self._lake = Lake(settings.lake, load_specs())
        self._processes = Processes(settings)

    def run(self) -> Outcome:
        """Play the demo.

        Raises:
            TrafficError: a server or a process has failed.
        """
        outcome = Outcome(self._lake)
        try:
            self._tell("start Kafka and MLflow")
            with ThreadPoolExecutor(1) as meanwhile:
                roads = meanwhile.submit(register_segments, self._lake, SOURCE, until=LAST_DAY)
                with stack.running(self._settings) as endpoints:
                    self._play(outcome, endpoints["mlflow"], roads)
        finally:
            self._processes.kill()
        return outcome

    def _play(self, outcome: Outcome, mlflow: str, roads: Future[int]) -> None:
        with self._admin(SETUP) as admin:
            admin.create(self._lake.specs, PARTITIONS)
        self._processes.start("stream", "stream")
        roads.result()
        with _phase(outcome, "replay thirteen days through Kafka, land and aggregate", self._tell):
            self._processes.start("land", "land")
            self._replay("history", "--to", LAST_DAY.strftime("%Y-%m-%dT%H:%M:%S"))
            self._drain()
            self._balanced()  # what came late is in silver too before a model learns from it
        with _phase(outcome, "train the model and make it champion", self._tell):
            outcome.model_version, _ = train_model(self._lake, mlflow)
            self._wait(lambda: self._scoring() == [outcome.model_version])
        with _phase(outcome, "stream the last day with bad records mixed in", self._tell):
            outcome.live_since = self._bronze_version()
            outcome.truth = self._replay(
                "live", "--from", LAST_DAY.strftime("%Y-%m-%dT%H:%M:%S"),
                "--rate", str(LIVE_RATE), *DISTURBANCE,
            )  # fmt: skip
            self._drain()
        with _phase(outcome, "reconcile late readings and balance the books", self._tell):
            outcome.checks = self._balanced()
            outcome.reports = {name: self._processes.stop(name) for name in ("land", "stream")}

    def _replay(self, name: str, *arguments: str) -> dict[str, Any]:
        """Send readings, and show how far landing and stream have come meanwhile."""
        self._processes.start(name, "produce", "replay", "--source", SOURCE, "--json", *arguments)
        while self._processes.is_running(name):
            self._show_progress()
        return self._processes.result(name)

    def _drain(self) -> None:
        """Wait until all of Kafka has landed and all of bronze is in silver and gold."""
        self._wait(lambda: self._landed() >= self._sent())
        self._wait(lambda: told_through(self._lake, self._settings.stream_checkpoint)
                   >= self._bronze_version())  # fmt: skip

    def _balanced(self) -> list[Check]:
        """The balance, once late readings have been reconciled; as it stands if they are not."""
        checks: list[Check] = []

        def is_even() -> bool:
            checks[:] = balance(self._lake, self._offsets())
            return all(check.is_ok for check in checks)

        deadline = time.monotonic() + 3 * self._settings.reconcile_seconds + 20
        while not is_even() and time.monotonic() < deadline:
            self._processes.check()
            time.sleep(POLL_SECONDS)
        return checks

    def _wait(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_done():
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"no end after {PATIENCE_SECONDS:.0f} s; see {self._settings.log}"
                )
            self._show_progress()

    def _scoring(self) -> list[float]:
        """Version of the model that the stream has in hand; 0 while it has none."""
        self._processes.check()
        return values(self._settings.targets, "stream", "traffic_model_version")

    def _show_progress(self) -> None:
        self._processes.check()
        read = told_through(self._lake, self._settings.stream_checkpoint)
        self._tell(
            f"sent {self._sent():,}   landed {self._landed():,}   "
            f"stream at commit {max(read, 0)} of {self._bronze_version()}"
        )
        time.sleep(POLL_SECONDS)

    def _admin(self, user: str) -> TopicAdmin:
        retry = self._lake.specs.ops.retries.unavailable
        return TopicAdmin(kafka_access(self._settings, user), retry)

    def _offsets(self) -> dict[int, tuple[int, int]]:
        with self._admin(OPERATOR) as admin:
            places = admin.offsets(["traffic_event"])
        return {place.partition: (place.begin, place.end) for place in places}

    def _sent(self) -> int:
        return sum(end for _, end in self._offsets().values())

    def _landed(self) -> int:
        self._bronze_version()
        return landed_offsets(self._lake, self._offsets())

    def _bronze_version(self) -> int:
        return self._lake.table("bronze.traffic_event").refresh()

"""One simulated city and one API process for all tests of this group."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.city_batches import CityBatches
from lakehouse.tables import Lake
from specs.loader import Specs
from tests.champion import wave_champion

MONDAY = datetime(2024, 5, 6, 4, tzinfo=UTC)
"""Six in the morning in the simulated city: the rush is about to begin."""

SEGMENTS, HISTORY_WINDOWS = 60, 30


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Api:
    """A running API."""

    url: str
    pid: int

    def get(self, path: str, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())


@contextmanager
def served(home: Path, **variables: str) -> Iterator[Api]:
    """`traffic serve` on a free port, stopped after the block."""
    environment = {**os.environ, "TRAFFIC_HOME": str(home), "TRAFFIC_API_PORT": "0", **variables}
    command = [sys.executable, "-P", "-m", "lakehouse", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            assert told.startswith("live map and API at "), "`traffic serve` did not start"
            yield Api(told.split()[5].rstrip("/"), process.pid)
        finally:
            process.terminate()
    assert process.returncode in {0, -15}


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory, specs: Specs) -> CityBatches:
    """A city with some hours of history, whose next batches the tests may commit."""
    lake = Lake(tmp_path_factory.mktemp("serving") / "lake", specs)
    made = CityBatches(lake, SEGMENTS, MONDAY, wave_champion())
    made.advance(HISTORY_WINDOWS)
    return made


@pytest.fixture(scope="session")
def api(city: CityBatches) -> Iterator[Api]:
    with served(city.lake.root.parent) as running:
        assert until_ready(running)
        yield running


def until_ready(api: Api) -> bool:
    """Read events until the first one: then there is a snapshot."""
    with urllib.request.urlopen(api.url + "/events", timeout=120) as stream:
        return any(line.startswith(b"data: ") for line in stream)

"""Readings become scores through the commands, while the champion changes under them.

In the order of names it comes after test_landing, which counts the city's history alone.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.audit import balance
from lakehouse.freshness import freshness_seconds
from lakehouse.jobs.checkpoint import read_through, told_through
from lakehouse.jobs.training import train_model
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from tests.contract_reader import ContractReader
from tests.scraped import names_told
from tests.stack.city import HISTORY, START, City, messages
from tests.unit.ml.tables import small_specs

pytestmark = pytest.mark.stack

BRONZE, SILVER, SCORES = "bronze.traffic_event", "silver.segment_metric", "gold.congestion_scores"
PATIENCE_SECONDS = 120.0


class Commands:
    """The project's own commands on one home."""

    def __init__(self, settings: Settings) -> None:
        self._environment = settings.environment()

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "lakehouse", *arguments], env=self._environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> dict[str, object]:
        return self.result(self.start(*arguments))

    @staticmethod
    def result(process: "subprocess.Popen[str]") -> dict[str, object]:
        """What it prints as JSON, once it has ended well."""
        try:
            output, said = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
        assert process.returncode == 0, said[-3000:]
        found: dict[str, object] = json.loads(output)
        return found


def wait_for(is_done: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline, "no end in sight"
        time.sleep(0.2)


def versions_by_window(lake: Lake) -> Mapping[datetime, set[int]]:
    """Model versions of the scores of each window."""
    table = lake.table(SCORES)
    table.refresh()
    rows = table.read(columns=["window_start", "model_version"]).to_pylist()
    found: dict[datetime, set[int]] = {}
    for row in rows:
        found.setdefault(row["window_start"], set()).add(row["model_version"])
    return found


def assert_a_consumer_knows_the_news(lake: Lake, name: str, kafka: str) -> None:
    """Whoever has only the topic and its contract holds the table's rows, as far as it is news."""
    topic = name.split(".")[1]
    reader, table = ContractReader.of(topic), lake.table(name)
    table.refresh()
    told = reader.newest(reader.row(one.key(), one.value()) for one in messages(kafka, topic))
    rows = reader.newest(table.read().to_pylist())
    newest = max(row["window_start"] for row in rows.values())
    since = newest - timedelta(seconds=lake.specs.ops.limits.news_seconds)
    news = {key: row for key, row in rows.items() if row["window_start"] >= since}
    assert len(news) > 100
    assert {key: told.get(key) for key in news} == news
    assert set(told) <= set(rows)


def test_readings_become_scores_of_the_champion_and_the_books_balance(
    city: City, servers: dict[str, str], tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path, kafka_bootstrap=servers["kafka"], mlflow_uri=servers["mlflow"],
        spark_driver_memory="1g", reconcile_seconds=1.0, model_poll_seconds=0.5,
    )  # fmt: skip
    traffic, lake = Commands(settings), city.lake(tmp_path)
    bronze, checkpoint = lake.table(BRONZE), settings.stream_checkpoint

    # Initialise: history, without a model.
    landed = traffic.run("land", "--once")
    assert landed["rows"] == city.truth.records - sum(city.truth.malformed.values())
    assert traffic.run("stream", "--once")["score_rows"] == 0
    assert read_through(checkpoint) == bronze.refresh()
    teacher = Lake(lake.root, small_specs())
    first, metrics = train_model(teacher, servers["mlflow"])
    assert set(metrics) == set(city.specs.ml.horizons_minutes)

    # Manipulate: a new driver goes on, and the champion changes under it.
    live = START + HISTORY
    stream = traffic.start("stream")
    try:
        city.send(live, timedelta(minutes=30))
        traffic.run("land", "--once")
        wait_for(lambda: bool(versions_by_window(lake)), stream)
        second, _ = train_model(teacher, servers["mlflow"], as_champion=True)
        time.sleep(4 * settings.model_poll_seconds)  # the registry is asked on a timer
        city.send(live + timedelta(hours=2), timedelta(minutes=30))
        traffic.run("land", "--once")
        wait_for(lambda: told_through(lake, checkpoint) == bronze.refresh(), stream)
        wait_for(lambda: all(check.is_ok for check in balance(lake, city.offsets())), stream)
        told = names_told(settings.targets, "stream")
    finally:
        stream.terminate()
    assert int(str(Commands.result(stream)["score_rows"])) > 0

    # Validate.
    later = {"traffic_feature_drift"}  # looked at when the stream has run for a window
    assert told | later == {one.name for one in city.specs.ops.metrics if "stream" in one.by}
    assert second == first + 1
    by_window = versions_by_window(lake)
    newest = {window: found for window, found in by_window.items()
              if window >= live + timedelta(hours=2)}  # fmt: skip
    assert newest
    assert set().union(*newest.values()) == {second}
    assert first in set().union(*by_window.values())
    lake.table(SCORES).refresh()
    scored = lake.table(SCORES).read().to_pylist()
    assert {row["horizon_minutes"] for row in scored} == {15, 30, 60}
    assert all(0 <= row["congestion_probability"] <= 1 for row in scored)
    for name in (SILVER, SCORES):
        assert_a_consumer_knows_the_news(lake, name, servers["kafka"])
    told = messages(servers["kafka"], "congestion_scores")
    assert {json.loads(message.value() or b"")["model_version"] for message in told} == {
        first, second,
    }  # fmt: skip
    fresh = freshness_seconds(lake)
    assert fresh["p50_seconds"] is not None
    assert fresh["p50_seconds"] > 0
    audit = traffic.run("audit", "--json")
    assert audit["audit_ok"] is True

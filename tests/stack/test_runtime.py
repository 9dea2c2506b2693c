"""The real Kafka and MLflow of ``traffic up``, with a restart and a kill in the middle."""

import http.client
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from lakehouse.runtime import process
from lakehouse.runtime.stack import down, endpoints, status, up
from lakehouse.settings import Settings

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / "home", kafka_port=0, mlflow_port=0)
    yield settings
    down(settings)


def write(bootstrap: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("test", value, partition=0)
    assert producer.flush(20) == 0


def read(bootstrap: str, count: int) -> list[bytes | None]:
    """Read so many records of the topic from its beginning, and remember nothing."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "test",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["test"])
    values = [message.value() for message in consumer.consume(count, timeout=30)]
    consumer.close()
    return values


def get(endpoint: str, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=30)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def test_records_outlive_a_restart_and_a_kill(settings: Settings) -> None:
    assert [server.state for server in up(settings)] == ["up", "up"]
    bootstrap = endpoints(settings.home)["kafka"]
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic("test", num_partitions=1)])["test"].result(30)
    write(bootstrap, b"first")
    assert read(bootstrap, 1) == [b"first"]

    assert down(settings) == ["kafka", "mlflow"]
    assert process.members(settings.run) == {}
    up(settings)
    bootstrap = endpoints(settings.home)["kafka"]
    write(bootstrap, b"second")
    assert read(bootstrap, 2) == [b"first", b"second"]

    pid = process.records(settings.run)["kafka"].pid
    os.kill(pid, signal.SIGKILL)
    psutil.Process(pid).wait()
    assert {server.name: server.state for server in status(settings)} == {
        "kafka": "dead",
        "mlflow": "up",
    }
    assert list(endpoints(settings.home)) == ["mlflow"]
    up(settings)
    assert read(endpoints(settings.home)["kafka"], 2) == [b"first", b"second"]


def test_mlflow_serves_its_version_and_artifacts_on_loopback_only(settings: Settings) -> None:
    up(settings)
    endpoint = endpoints(settings.home)["mlflow"]
    assert get(endpoint, "/version") == (200, importlib.metadata.version("mlflow"))
    search = "/api/2.0/mlflow/experiments/search?max_results=1"
    (experiment,) = json.loads(get(endpoint, search)[1])["experiments"]
    assert experiment["artifact_location"] == "mlflow-artifacts:/0"
    assert get(endpoint, search, Host="attacker.example")[0] == 403
    assert get(endpoint, "/api/2.0/mlflow-artifacts/artifacts")[0] == 200
    listeners = {
        connection.laddr[0]
        for members in process.members(settings.run).values()
        for member in members
        for connection in member.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.removeprefix("::ffff:") for address in listeners} == {"127.0.0.1"}


def traffic(settings: Settings, command: str) -> "subprocess.Popen[str]":
    """Run a command for a user with nothing: no Java, no cache, an empty home folder."""
    code = f"from lakehouse.commands.stack import {command}; {command}()"
    environment = {
        "HOME": str(settings.home.parent),
        "PATH": "/nowhere",
        "TRAFFIC_HOME": str(settings.home),
        "TRAFFIC_KAFKA_PORT": "0",
        "TRAFFIC_MLFLOW_PORT": "0",
        **{key: value for key, value in os.environ.items() if key.startswith("SSL_CERT")},
    }
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_machine_with_nothing_but_python_will_do(settings: Settings) -> None:
    first = traffic(settings, "up")
    printed, said = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert [line.split()[:2] for line in printed.splitlines()] == [
        ["kafka", "up"],
        ["mlflow", "up"],
    ]
    assert "downloading kafka: 46 files, 45 MB" in said
    last = traffic(settings, "down")
    assert last.communicate(timeout=60) == ("kafka stopped\nmlflow stopped\n", "")
    assert process.members(settings.run) == {}


def test_up_that_is_told_to_end_halfway_leaves_nothing(settings: Settings) -> None:
    command = traffic(settings, "up")
    deadline = time.monotonic() + 300
    while not process.records(settings.run).get("mlflow"):
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    command.terminate()
    command.communicate(timeout=60)
    assert command.returncode == 128 + signal.SIGTERM
    assert process.members(settings.run) == {}
    assert process.records(settings.run) == {}

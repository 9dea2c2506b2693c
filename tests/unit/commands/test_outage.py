"""What a service needs is away: one line says which and why, within a bound, and it exits with 1.

A wrong password and a right that is not granted are told in ``tests/stack/test_kafka_login.py``,
those of a bucket in ``tests/s3``, a full disk in ``tests/unit/lakehouse/test_disk.py``, a secret
that Compose lacks in ``tests/unit/deploy/test_compose_secrets.py``.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.runtime.server import LOOPBACK
from tests.programs import said

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 300.0
SIMULATED = ("produce", "simulate", "--segments", "5", "--seconds", "1", "--unpaced")
NEEDS = {
    "Kafka": [("land", "--once"), SIMULATED, ("topic", "create"), ("audit",)],
    "S3": [("land", "--once"), ("maintain",)],
    "registry": [
        ("model", "show"),
        ("gold", "recompute", "--from", "2024-05-06", "--to", "2024-05-07"),
    ],
}


@pytest.fixture
def closed() -> Iterator[str]:
    """An address that nobody listens at."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        yield f"{LOOPBACK}:{taken.getsockname()[1]}"


def variables(what: str, address: str) -> dict[str, str]:
    """Where the service finds what is away."""
    if what == "S3":
        return {
            "TRAFFIC_LAKE_URL": "s3://lake/tables", "TRAFFIC_S3_PATIENCE_SECONDS": "1",
            "AWS_ENDPOINT_URL": f"http://{address}", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "none of your business",
            "TRAFFIC_KAFKA_BOOTSTRAP": address,
        }  # fmt: skip
    return {
        "Kafka": {"TRAFFIC_KAFKA_BOOTSTRAP": address},
        "registry": {"TRAFFIC_MLFLOW_URI": f"http://{address}"},
    }[what]


def test_each_service_says_in_one_line_what_is_away(closed: str, tmp_path: Path) -> None:
    started = {
        (what, arguments): subprocess.Popen(
            [sys.executable, "-m", "lakehouse", *arguments],
            env={
                "PATH": "/usr/bin:/bin", "TRAFFIC_HOME": str(tmp_path / f"{what}-{arguments[0]}"),
                **variables(what, closed),
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for what, commands in NEEDS.items() for arguments in commands
    }  # fmt: skip
    try:
        for (what, arguments), service in started.items():
            _, stderr = service.communicate(timeout=PATIENCE_SECONDS)
            assert service.returncode == 1, (arguments, stderr)
            lines = said(stderr)
            assert len(lines) == 1, (arguments, stderr)
            assert what in lines[0], (arguments, lines)
            assert closed in lines[0], (arguments, lines)
    finally:
        for service in started.values():
            service.kill()
            service.wait()

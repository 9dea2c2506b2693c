"""The metrics of a process over HTTP, and the file that tells Prometheus where."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil

from lakehouse.metrics.registry import MEDIA_TYPE, Metrics
from specs.errors import Unavailable
from specs.ops import Process

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = {LOOPBACK, "localhost"}
EVERY_INTERFACE = ""
READ_SECONDS = 1.0
SAMPLE_SECONDS = 2.0
"""Between two looks at what the process takes; a scrape tells what the last one saw."""

SWITCH_SECONDS = 0.001
"""How long a busy thread keeps the interpreter from one that answers, a scrape or a request of the
API. It waits at every read and write: with Python's own 5 ms, for 36 ms and up to 136."""


@contextmanager
def exposed(
    metrics: Metrics, process: Process, *, port: int, targets: Path, host: str = LOOPBACK
) -> Iterator[int]:
    """Answer ``GET /metrics`` inside a ``with`` block.

    Args:
        metrics: of this process.
        process: what Prometheus is to call it, label ``job``.
        port: to listen on; 0 for any free one.
        targets: folder that Prometheus reads; a file there says where this process listens. It
            goes with the block. One that a killed process left stays until the next of its kind
            starts, so that Prometheus sees that nobody answers there.
        host: name by which Prometheus reaches this process. One that is not loopback's has it
            answer on every interface, to who asks for that name or for loopback's.

    Yields:
        The port.

    Raises:
        Unavailable: the port is taken, or the folder cannot be written.
    """
    interface = LOOPBACK if host in LOOPBACK_NAMES else EVERY_INTERFACE
    handler = _handler(metrics, {host, *LOOPBACK_NAMES})
    try:
        server = HTTPServer((interface, port), handler)  # a thread a request costs more
    except OSError as error:
        raise Unavailable(
            f"metrics: cannot listen on {host}:{port}: {error.strerror}; set"
            " TRAFFIC_METRICS_PORT to a free port, or to 0 for any"
        ) from error
    try:
        target = _announce(targets, process, f"{host}:{server.server_port}")
    except OSError as error:
        server.server_close()
        raise Unavailable(
            f"metrics: cannot write to {targets}: {error.strerror}; set TRAFFIC_HOME to a folder"
            " that can be written"
        ) from error
    sys.setswitchinterval(SWITCH_SECONDS)
    ended = threading.Event()
    metrics.look_at_process()
    for name, run in (
        ("metrics", server.serve_forever), ("process", lambda: _sample(metrics, ended))
    ):  # fmt: skip
        threading.Thread(target=run, name=name, daemon=True).start()
    try:
        yield server.server_port
    finally:
        target.unlink(missing_ok=True)
        ended.set()
        server.shutdown()
        server.server_close()


def _sample(metrics: Metrics, ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_SECONDS):
        metrics.look_at_process()


def _announce(targets: Path, process: Process, address: str) -> Path:
    targets.mkdir(parents=True, exist_ok=True)
    for left in targets.glob(f"{process}-*.json"):
        pid = left.stem.rpartition("-")[2]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            left.unlink(missing_ok=True)
    target = targets / f"{process}-{os.getpid()}.json"
    draft = target.with_suffix(".draft")
    draft.write_text(json.dumps([{"targets": [address], "labels": {"job": process}}]))
    draft.replace(target)
    return target


def _handler(metrics: Metrics, names: set[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One path; everything else is not here."""

        timeout = READ_SECONDS
        wbufsize = -1  # one write an answer

        def do_GET(self) -> None:
            """Answer, unless a web page asks under a name of its own that points here."""
            if self.headers.get("host", "").rpartition(":")[0] not in names:
                self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            elif self.path != "/metrics":
                self.send_error(HTTPStatus.NOT_FOUND)
            else:
                text = metrics.text()
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", MEDIA_TYPE)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Say nothing of every scrape."""

    return Handler

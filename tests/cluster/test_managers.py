"""What Spark makes of the settings for Kubernetes and YARN, as far as that goes without either."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lakehouse.artifacts import ROOT
from lakehouse.runtime.server import LOOPBACK
from lakehouse.settings import Settings

pytestmark = pytest.mark.stack

SESSION = "from lakehouse.settings import Settings; from lakehouse.spark import session;"
PATIENCE_SECONDS = 240.0


@dataclass
class Cluster:
    """The few calls of Kubernetes' API that a driver makes before its executors answer."""

    url: str
    made: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    has_pods: threading.Event = field(default_factory=threading.Event)

    def take(self, path: str, body: dict[str, Any]) -> None:
        """Note what was to be made; two pods are all that the settings ask for."""
        kind = path.partition("?")[0].rsplit("/", 1)[1]
        self.made.setdefault(kind, []).append(body)
        if len(self.made.get("pods", ())) == 2:
            self.has_pods.set()


@contextmanager
def kubernetes() -> Iterator[Cluster]:
    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            namespace = self.path.partition("/namespaces/")[2].partition("/")[0]
            body["metadata"] |= {
                "uid": f"u{id(body)}", "resourceVersion": "1", "namespace": namespace,
            }  # fmt: skip
            cluster.take(self.path, body)
            self.answer(201, body)

        def do_GET(self) -> None:
            kind = self.path.partition("?")[0].rsplit("/", 1)[1]
            name = "PodList" if kind == "pods" else "List"
            self.answer(200, {"kind": name, "apiVersion": "v1", "items": [],
                              "metadata": {"resourceVersion": "1"}})  # fmt: skip

        do_DELETE = do_GET  # noqa: N815

        def answer(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Api)
    cluster = Cluster(f"http://{LOOPBACK}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def driver(home: Path, manager: str, master: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that opens the stream's session with the settings of ``deploy/spark``."""
    settings = Settings(home=home, spark_master=master, spark_driver_memory="600m")
    conf = {"SPARK_CONF_DIR": str(ROOT / "deploy" / "spark" / manager)}
    program = f"{SESSION} session(Settings()).stop()"
    with subprocess.Popen(
        [sys.executable, "-c", program], env=settings.environment() | conf | more,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as child:  # fmt: skip
        try:
            yield child
        finally:
            child.kill()


def test_kubernetes_is_asked_for_executors_with_our_image_keys_and_jars(tmp_path: Path) -> None:
    with kubernetes() as cluster, driver(tmp_path, "kubernetes", f"k8s://{cluster.url}") as child:
        assert cluster.has_pods.wait(PATIENCE_SECONDS), child.communicate(timeout=10)[0][-3000:]
    pod = cluster.made["pods"][0]
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["namespace"] == "traffic"
    assert pod["spec"]["serviceAccountName"] == "traffic-executor"
    assert container["image"] == "traffic-lakehouse/executor:0.1.0"
    told = {one["name"]: one for one in container["env"]}
    secret = told["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"]
    assert (secret["name"], secret["key"]) == ("traffic-s3", "secret-key")
    assert "delta-spark" in told["SPARK_CLASSPATH"]["value"]
    heap, beside = Settings().spark_executor_memory, 384  # Spark's least for what is no heap
    assert heap == "1g"
    assert container["resources"]["requests"]["memory"] == f"{1024 + beside}Mi"
    assert container["resources"]["requests"]["cpu"] == "1"


def test_yarn_is_asked_for_an_application(tmp_path: Path) -> None:
    """There is none here: Spark takes the settings and goes to where the manager should be."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))  # and does not listen
        port = taken.getsockname()[1]
        site = {
            "yarn.resourcemanager.address": f"{LOOPBACK}:{port}",
            "yarn.resourcemanager.connect.max-wait.ms": "1000",
            "yarn.resourcemanager.connect.retry-interval.ms": "500",
            "ipc.client.connect.max.retries": "0",
        }
        entries = "".join(
            f"<property><name>{name}</name><value>{value}</value></property>"
            for name, value in site.items()
        )
        (tmp_path / "conf").mkdir()
        for name in ("yarn-site.xml", "core-site.xml"):
            (tmp_path / "conf" / name).write_text(f"<configuration>{entries}</configuration>")
        conf = {"YARN_CONF_DIR": str(tmp_path / "conf")}
        with driver(tmp_path, "yarn", "yarn", **conf) as child:
            said, _ = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode != 0
    refused = rf"to \S+:{port} failed on connection exception: .*Connection refused"
    assert re.search(refused, said), said[-3000:]

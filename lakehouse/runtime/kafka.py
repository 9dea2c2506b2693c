"""Kafka: one node that is broker and controller, for one machine."""

import base64
import os
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from lakehouse.runtime.artifacts import artifact_files
from lakehouse.runtime.java import java_home
from lakehouse.runtime.process import MARK
from lakehouse.runtime.server import LOOPBACK, Launch, Server, accepts, free_port
from lakehouse.settings import Settings
from specs.errors import Unavailable

HEAP = "512m"
"""The page cache carries the data; the broker took 245 MB of memory in all when idle."""

FORMAT_SECONDS = 60
PROBE_SECONDS = 5.0

LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601_OFFSET_DATE_TIME_HHCMM} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.start.name = kafka.server.KafkaRaftServer
logger.start.level = info
"""


def properties(*, data: Path, port: int, controller_port: int) -> dict[str, str]:
    """Return the broker's configuration: loopback only, one replica, sized for two cores.

    Topics are made by the pipeline from its specs, never by a client that mistyped a name.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"CLIENT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"CLIENT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(16 * 2**20),
    }


def answers(port: int) -> bool:
    """Return whether the broker serves metadata and has joined its own cluster."""
    if not accepts(port):
        return False
    admin = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{port}", "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=PROBE_SECONDS).brokers)
    except KafkaException:
        return False


def _prepare(settings: Settings, port: int) -> Launch:
    home = settings.home / "kafka"
    home.mkdir(parents=True, exist_ok=True)
    logging = home / "log4j2.properties"
    logging.write_text(LOGGING)
    config = home / "server.properties"
    wanted = properties(data=home / "data", port=port, controller_port=free_port())
    config.write_text("".join(f"{key}={value}\n" for key, value in wanted.items()))
    jars = artifact_files(settings, "kafka")
    java = (
        str(java_home(settings) / "bin" / "java"),
        f"-Xmx{HEAP}",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={logging}",
        "-cp",
        os.pathsep.join(str(jar) for jar in jars),
    )
    if not (home / "data" / "meta.properties").exists():  # the last file that formatting writes
        _format(java, config, {**os.environ, MARK: str(settings.run / KAFKA.name)})
    return Launch((*java, "kafka.Kafka", str(config)), os.environ)


def _format(java: tuple[str, ...], config: Path, environment: dict[str, str]) -> None:
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "--config")
    try:
        subprocess.run(  # noqa: S603  (nothing in it comes from outside)
            [*java, *tool, str(config)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=FORMAT_SECONDS,
        )
    except subprocess.SubprocessError as error:
        said = getattr(error, "stderr", None) or ""
        raise Unavailable(f"cannot format Kafka's storage: {error} {said}".rstrip()) from error


KAFKA = Server(
    name="kafka",
    endpoint=f"{LOOPBACK}:{{port}}",
    port=lambda settings: settings.kafka_port,
    prepare=_prepare,
    answers=answers,
)

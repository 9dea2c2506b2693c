"""Kafka: one node that is broker and controller, for one machine."""

import base64
import os
import re
import secrets
import socket
import ssl
import struct
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from lakehouse.kafka_grants import grants, users
from lakehouse.runtime.artifacts import artifact_files
from lakehouse.runtime.certificate import keep_certificate, write_secret
from lakehouse.runtime.java import java_home
from lakehouse.runtime.kafka_security import OWNER, secure_properties
from lakehouse.runtime.kafka_users import KafkaDoor
from lakehouse.runtime.process import MARK
from lakehouse.runtime.server import LOOPBACK, Launch, Server, accepts, free_port
from lakehouse.server_home import ServerHome, kafka_home
from lakehouse.settings import Settings
from specs.errors import Unavailable
from specs.loader import load_specs

HEAP = "512m"
"""The page cache carries the data; the broker took 245 MB of memory in all when idle."""

FORMAT_SECONDS = 60
PROBE_SECONDS = 5.0
PASSWORD_BYTES = 18
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""The one request that is answered before a login: its length, key, version, id, no client."""

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


@dataclass(frozen=True)
class Secured:
    """What a broker that asks for a login has beyond one that does not."""

    home: ServerHome
    broker_port: int
    """Where whoever has the brokers' key is let in."""


def properties(
    *, data: Path, port: int, controller_port: int, secured: Secured | None = None
) -> dict[str, str]:
    """Return the broker's configuration: loopback only, one replica, sized for two cores.

    Topics are made by the pipeline from its specs, never by a client that mistyped a name.
    """
    asking = {} if secured is None else {
        **secure_properties(secured.home),
        "listeners": f"CLIENT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}"
        f",BROKER://{LOOPBACK}:{secured.broker_port}",
        "advertised.listeners":
            f"CLIENT://{LOOPBACK}:{port},BROKER://{LOOPBACK}:{secured.broker_port}",
    }  # fmt: skip
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
        **asking,
    }


def answers(port: int) -> bool:
    """Return whether the broker serves metadata and has joined its own cluster.

    One that asks for a login opens its port when it has joined, and tells its versions then.
    """
    if not accepts(port):
        return False
    if not _tells_versions(port, over_tls=False):
        return _tells_versions(port, over_tls=True)
    admin = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{port}", "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=PROBE_SECONDS).brokers)
    except KafkaException:
        return False


def _tells_versions(port: int, *, over_tls: bool) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), PROBE_SECONDS) as plain:
            connection = _over_tls(plain) if over_tls else plain
            with connection, connection.makefile("rb") as answer:
                connection.sendall(API_VERSIONS)
                _, told, fault = struct.unpack(">iih", answer.read(10))
    except (OSError, struct.error):  # it hung up, or speaks another protocol
        return False
    return (told, fault) == (1, 0)


def _over_tls(plain: socket.socket) -> ssl.SSLSocket:
    """A connection to a port of loopback that is only asked whether it answers."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _prepare(settings: Settings, port: int) -> Launch:
    home = settings.home / "kafka"
    home.mkdir(parents=True, exist_ok=True)
    logging = home / "log4j2.properties"
    logging.write_text(LOGGING)
    config = home / "server.properties"
    secured = _secured(settings) if settings.kafka_passwords else None
    wanted = properties(data=home / "data", port=port, controller_port=free_port(), secured=secured)
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


def _secured(settings: Settings) -> Secured:
    """Have a certificate and everybody's password; those that exist are kept."""
    home = kafka_home(settings)
    keep_certificate(home.keystore, home.certificate, OWNER, ("localhost",))
    for user in users(load_specs()):
        path = home.password(user)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_secret(path, secrets.token_urlsafe(PASSWORD_BYTES).encode())
    return Secured(home, free_port())


def brokers_door(settings: Settings) -> KafkaDoor:
    """The entrance for brokers of the embedded Kafka that runs.

    Raises:
        Unavailable: it was started as one that asks for no login.
    """
    home = kafka_home(settings)
    config = (home.folder / "server.properties").read_text()
    found = re.search(r"^advertised\.listeners=.*BROKER://(\S+)$", config, re.MULTILINE)
    if found is None:
        raise Unavailable(
            "the Kafka that runs was started without TRAFFIC_KAFKA_PASSWORDS; `traffic down`, then"
            " `traffic up`"
        )
    return KafkaDoor(found[1], home)


def _settle(settings: Settings, _endpoint: str) -> None:
    """Have a broker that asks for a login know the users of the specs and what each may do."""
    if not settings.kafka_passwords:
        return
    door, home, specs = brokers_door(settings), kafka_home(settings), load_specs()
    door.keep_users({user: home.password(user).read_text().strip() for user in users(specs)})
    door.keep_grants(grants(specs))


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
    settle=_settle,
)

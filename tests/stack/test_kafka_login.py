"""A real Kafka that asks for a login: who is let in, at what, and what the others are told."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from ingestion.topics import TopicAdmin
from lakehouse.kafka_access import KafkaAccess
from lakehouse.kafka_grants import EXPORTER, OPERATOR, SETUP, group_of
from lakehouse.runtime.kafka import KAFKA
from lakehouse.runtime.stack import running, up
from lakehouse.server_home import kafka_home
from lakehouse.services import kafka_access
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from specs.errors import Unavailable, WrongInput
from specs.loader import Specs
from specs.ops import Retry
from tests.programs import said

pytestmark = pytest.mark.stack

ONCE = Retry(attempts=2, first_wait_seconds=0.2, wait_factor=1, max_wait_seconds=1)
SIMULATED = ("produce", "simulate", "--segments", "5", "--rate", "100", "--seconds", "20",
             "--unpaced", "--malformed", "0.05", "--json")  # fmt: skip
REFUSED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
"""A reader needs both; Kafka names the one that it comes to first."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("guarded")
    settings = Settings(home=home, kafka_port=0, kafka_passwords=True)
    with running(settings, [KAFKA]):
        yield settings


@pytest.fixture(scope="module")
def topics(guarded: Settings, specs: Specs) -> None:
    with TopicAdmin(kafka_access(guarded, SETUP), specs.ops.retries.unavailable) as admin:
        assert admin.create(specs)


def traffic(settings: Settings, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lakehouse", *arguments], text=True, capture_output=True,
        check=False, timeout=900, env={**settings.environment(), **more},
    )  # fmt: skip


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    lines = said(done.stderr)
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.usefixtures("topics")
def test_every_service_does_its_part_by_its_own_password(guarded: Settings, specs: Specs) -> None:
    assert traffic(guarded, "segment", "load", "simulator", "--segments", "5").returncode == 0
    sent = traffic(guarded, *SIMULATED)
    assert sent.returncode == 0, sent.stderr
    delivered = json.loads(sent.stdout)["delivered"]
    assert delivered > 2000
    landed = traffic(guarded, "land", "--once")
    assert landed.returncode == 0, landed.stderr
    report = json.loads(landed.stdout)
    assert report["rows"] + report["dead_letters"] == delivered
    assert report["dead_letters"] > 50
    with TopicAdmin(kafka_access(guarded, EXPORTER), specs.ops.retries.unavailable) as admin:
        assert sum(row.lag for row in admin.lag(group_of("lander"), "traffic_event")) == 0
        (dead, _), (kept, _) = (
            (sum(row.end for row in admin.offsets([name])), name)
            for name in ("traffic_event_dlq", "traffic_event")
        )
    assert (dead, kept) == (report["dead_letters"], delivered)
    audited = traffic(guarded, "audit", "--without-models", "--json")
    assert audited.stdout, audited.stderr
    checks = {one["name"]: one for one in json.loads(audited.stdout)["checks"]}
    assert checks["Kafka offsets in bronze or dead letters"]["found"] == delivered
    assert Lake(guarded.lake, specs).table("bronze.traffic_event").version > 0


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("command", [SIMULATED, ("land",), ("topic", "list"), ("topic", "create")])
def test_a_wrong_login_is_refused_in_one_line(command: tuple[str, ...], guarded: Settings) -> None:
    line = one_line(traffic(guarded, *command, TRAFFIC_KAFKA_PASSWORD="wrong"))
    assert "refuses" in line
    assert "invalid credentials" in line
    assert "TRAFFIC_KAFKA_PASSWORD" in line
    assert "wrong" not in line


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize(("command", "user", "topic"), [
    (SIMULATED, EXPORTER, "traffic_event"), (SIMULATED, "stream", "traffic_event"),
    (("land",), "producer", "traffic-lander"), (("land",), OPERATOR, "traffic-lander"),
])  # fmt: skip
def test_what_is_not_granted_is_refused_in_one_line(
    command: tuple[str, ...], user: str, topic: str, guarded: Settings
) -> None:
    line = one_line(traffic(guarded, *command, TRAFFIC_KAFKA_USER=user))
    assert f"as {user} " in line
    assert topic in line or "group" in line.lower() or "CLUSTER" in line
    assert "authorization failed" in line


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize(("user", "topic", "is_granted"), [
    ("producer", "traffic_event", True), ("producer", "traffic_event_dlq", False),
    ("producer", "segment_metric", False), ("lander", "traffic_event_dlq", True),
    ("lander", "traffic_event", False), ("stream", "segment_metric", True),
    ("stream", "congestion_scores_dlq", True), ("stream", "traffic_event", False),
    (OPERATOR, "congestion_scores", True), (OPERATOR, "traffic_event", False),
    (EXPORTER, "segment_metric", False), (SETUP, "traffic_event", False),
])  # fmt: skip
def test_a_service_writes_its_own_topics_and_no_other(
    user: str, topic: str, is_granted: bool, guarded: Settings
) -> None:
    told: list[KafkaError | None] = []
    producer = Producer({**kafka_access(guarded, user).client(), "log_level": 2})
    producer.produce(topic, b"{}", b"k", on_delivery=lambda error, _: told.append(error))
    assert producer.flush(30) == 0
    (error,) = told
    if is_granted:
        assert error is None
    else:
        assert error is not None
        assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize(("user", "topic", "is_granted"), [
    ("lander", "traffic_event", True), (OPERATOR, "traffic_event_dlq", True),
    ("producer", "traffic_event", False), ("stream", "traffic_event", False),
    (EXPORTER, "traffic_event", False),
])  # fmt: skip
def test_a_service_reads_its_own_topics_and_no_other(
    user: str, topic: str, is_granted: bool, guarded: Settings
) -> None:
    from confluent_kafka import TopicPartition

    consumer = Consumer({
        **kafka_access(guarded, user).client(), "group.id": f"traffic-{user}", "log_level": 2,
        "enable.partition.eof": True, "enable.auto.commit": False,
    })  # fmt: skip
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(30)
        assert message is not None
        error = message.error()
        is_let = error is None or error.code() == KafkaError._PARTITION_EOF
        assert is_let is is_granted, error
        if error is not None and not is_let:
            assert error.code() in REFUSED
    finally:
        consumer.close()


def test_without_a_login_or_with_another_authority_nobody_is_let_in(
    guarded: Settings, tmp_path: Path
) -> None:
    known = kafka_access(guarded, OPERATOR)
    stranger = tmp_path / "home"
    from lakehouse.runtime.certificate import keep_certificate

    stranger.mkdir()
    keep_certificate(stranger / "key.pem", stranger / "other.pem", "somebody", ("localhost",))
    for access in (
        KafkaAccess(known.bootstrap),
        KafkaAccess(known.bootstrap, known.user, known.password, stranger / "other.pem"),
    ):
        client = Producer({**access.client(), "log_level": 0})
        with pytest.raises(KafkaException):
            client.list_topics(timeout=5)
        with pytest.raises(Unavailable, match=known.bootstrap):
            TopicAdmin(access, ONCE)


def test_a_user_without_a_password_here_is_named(guarded: Settings) -> None:
    with pytest.raises(WrongInput, match="no password for Kafka's user 'stranger'"):
        kafka_access(guarded, "stranger")


def test_who_has_no_key_of_the_brokers_does_not_enter_by_their_door(guarded: Settings) -> None:
    home = kafka_home(guarded)
    config = dict(
        line.split("=", 1) for line in (home.folder / "server.properties").read_text().splitlines()
    )
    for listener in config["listeners"].split(","):
        if not listener.startswith("CLIENT"):
            client = Producer({
                "bootstrap.servers": listener.partition("://")[2], "security.protocol": "SSL",
                "ssl.ca.location": str(home.certificate), "log_level": 0,
            })  # fmt: skip
            with pytest.raises(KafkaException):
                client.list_topics(timeout=3)


def test_a_restart_keeps_passwords_and_takes_back_what_was_granted_by_hand(
    guarded: Settings, specs: Specs
) -> None:
    from lakehouse.kafka_grants import Grant, grants
    from lakehouse.runtime.kafka import brokers_door

    door = brokers_door(guarded)
    extra = Grant("producer", "topic", "segment_metric", "write")
    door.keep_grants({*grants(specs), extra})
    held = kafka_home(guarded).password("producer").read_text()
    up(guarded, [KAFKA])
    assert kafka_home(guarded).password("producer").read_text() == held
    told: list[KafkaError | None] = []
    producer = Producer({**kafka_access(guarded, "producer").client(), "log_level": 2})
    producer.produce("segment_metric", b"{}", on_delivery=lambda error, _: told.append(error))
    producer.flush(30)
    assert told[0] is not None

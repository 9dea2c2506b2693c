"""Logins at Kafka: what clients are told, who is granted what, what a refusal says."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from lakehouse.kafka_access import KafkaAccess, KafkaRefusal
from lakehouse.kafka_grants import Grant, grants, users
from lakehouse.server_home import kafka_home
from lakehouse.services import kafka_access
from lakehouse.settings import Settings
from specs.errors import Unavailable, WrongInput
from specs.loader import Specs

ACCESS = KafkaAccess("kafka:9092", "lander", "secret", Path("/trusted.pem"))


def test_a_bare_address_asks_without_a_login() -> None:
    assert KafkaAccess.of("kafka:9092").client() == {"bootstrap.servers": "kafka:9092"}
    assert KafkaAccess.of("kafka:9092").admin() == {"bootstrap_servers": "kafka:9092"}


def test_a_password_goes_over_tls_only() -> None:
    assert ACCESS.client()["security.protocol"] == "SASL_SSL"
    assert ACCESS.admin()["security_protocol"] == "SASL_SSL"
    assert ACCESS.client()["sasl.mechanism"] == ACCESS.admin()["sasl_mechanism"] == "SCRAM-SHA-512"
    assert ACCESS.client()["ssl.ca.location"] == ACCESS.admin()["ssl_cafile"] == "/trusted.pem"
    assert "enable.ssl.certificate.verification" not in ACCESS.client()


def test_an_access_shows_its_user_and_never_its_password() -> None:
    assert str(ACCESS) == "kafka:9092 as lander"
    assert "secret" not in repr(ACCESS)


def test_a_services_login_is_the_settings_else_what_the_embedded_server_made(
    tmp_path: Path,
) -> None:
    plain = Settings(home=tmp_path, kafka_bootstrap="kafka:9092")
    assert kafka_access(plain, "lander") == KafkaAccess("kafka:9092")
    told = plain.model_copy(update={"kafka_passwords": True})
    with pytest.raises(WrongInput, match="no password for Kafka's user 'lander'"):
        kafka_access(told, "lander")
    home = kafka_home(told)
    home.password("lander").parent.mkdir(parents=True)
    home.password("lander").write_text("made\n")
    home.certificate.touch()
    made = KafkaAccess("kafka:9092", "lander", "made", home.certificate)
    assert kafka_access(told, "lander") == made
    chosen = Settings.model_validate({
        "home": tmp_path, "kafka_user": "operator",
        "kafka_password": "given",  # pragma: allowlist secret
        "kafka_authority": tmp_path / "ca.pem",
    })  # fmt: skip
    assert kafka_access(chosen, "lander", "other:1") == KafkaAccess(
        "other:1", "operator", "given", tmp_path / "ca.pem"
    )


def test_each_service_is_granted_what_its_topics_need_and_no_more(specs: Specs) -> None:
    found = grants(specs)
    assert {one.user for one in found} == set(users(specs))

    def of(user: str) -> set[tuple[str, str]]:
        return {(one.name, one.operation) for one in found if one.user == user}

    assert of("producer") == {("traffic_event", "write")}
    assert of("lander") == {
        ("traffic_event", "read"), ("traffic-lander", "read"), ("traffic_event_dlq", "write"),
    }  # fmt: skip
    assert of("stream") == {
        (f"{topic}{tail}", "write")
        for topic in ("segment_metric", "congestion_scores") for tail in ("", "_dlq")
    }  # fmt: skip
    assert {does for _, does in of("exporter")} == {"describe"}
    assert {does for _, does in of("setup")} == {"alter_configs", "create", "describe"}
    assert ("traffic_event", "write") not in of("operator")
    assert Grant("operator", "topic", "segment_metric", "write") in found


def test_a_refusal_is_kept_and_told_in_one_line() -> None:
    refusal = KafkaRefusal(ACCESS)
    refusal(KafkaError(KafkaError._TRANSPORT, "broker is down"))
    refusal.check()
    refusal(KafkaError(KafkaError._AUTHENTICATION, "invalid\n credentials"))
    with pytest.raises(Unavailable) as told:
        refusal.check()
    assert str(told.value) == (
        "Kafka at kafka:9092 as lander refuses: invalid credentials; look at TRAFFIC_KAFKA_USER,"
        " TRAFFIC_KAFKA_PASSWORD and TRAFFIC_KAFKA_AUTHORITY"
    )

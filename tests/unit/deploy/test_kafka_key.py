"""Kafka in containers: who is given what of the brokers' key, and whose password is wanted."""

import stat
from pathlib import Path

import pytest
from cryptography import x509

from lakehouse.deploy.kafka import HOSTS, keep_users, write_key
from lakehouse.runtime.kafka_security import OWNER
from lakehouse.runtime.kafka_users import KafkaDoor
from lakehouse.server_home import ServerHome
from specs.errors import WrongInput
from specs.loader import Specs


def test_clients_are_given_the_certificate_and_not_the_key(tmp_path: Path) -> None:
    home, trusted = ServerHome(tmp_path / "kafka"), tmp_path / "trust"
    write_key(home, trusted)
    assert [path.name for path in trusted.iterdir()] == ["certificate.pem"]
    assert b"PRIVATE" not in (trusted / "certificate.pem").read_bytes()
    assert b"PRIVATE KEY" in home.keystore.read_bytes()
    assert stat.S_IMODE(home.keystore.stat().st_mode) == 0o600
    held = x509.load_pem_x509_certificate(home.certificate.read_bytes())
    assert held.subject.rfc4514_string() == f"CN={OWNER}"
    served = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert served.get_values_for_type(x509.DNSName) == ["localhost", *HOSTS]
    write_key(home, trusted)
    assert (trusted / "certificate.pem").read_bytes() == home.certificate.read_bytes()


def test_a_user_without_a_password_is_named_before_kafka_is_asked(
    tmp_path: Path, specs: Specs
) -> None:
    home = ServerHome(tmp_path)
    write_key(home, tmp_path / "trust")
    names = ("EXPORTER", "LANDER", "OPERATOR", "PRODUCER", "SETUP")
    given = {f"KAFKA_PASSWORD_{name}": "secret" for name in names}
    with pytest.raises(WrongInput, match=r"no secret: set KAFKA_PASSWORD_STREAM$"):
        keep_users(KafkaDoor("127.0.0.1:1", home), specs, given)
